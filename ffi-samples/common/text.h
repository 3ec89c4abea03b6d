/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Texts on the heap. */
#ifndef SAMPLE_TEXT_H
#define SAMPLE_TEXT_H

/* A copy, to be freed; NULL when there is no memory. */
char* text_copy(const char* text);

/* The whole file as a text, to be freed; NULL after a message. */
char* text_of_file(const char* name);

/* For keys. NULL is ignored. */
void text_wipe_and_free(char* text);

#endif /* SAMPLE_TEXT_H */
