/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Time, and the threads of the process. */
#ifndef DPS_TEST_THREADS_H
#define DPS_TEST_THREADS_H

#include <stdbool.h>
#include <stdint.h>

void sleep_ms(unsigned int milliseconds);
/* A clock that only goes forward. */
uint64_t now_ms(void);

/* Whether no more than this has passed since `began`. On a machine with too much to do, and under a tool
 * that makes everything slow, all takes long: whoever runs a program so says in DPS_TEST_LIMIT_MS how long. */
bool is_within(uint64_t began, uint64_t milliseconds);

/* How many threads the process has, by /proc. Elsewhere than on Linux always 1. */
int thread_count(void);

/* Ends the program with a failure unless every thread but the calling one has ended, or does so within
 * 30 seconds: look-ups and workers whose handle was destroyed from their own callback end by themselves.
 * Also keeps valgrind from taking what they hold for lost. */
void no_thread_is_left(void);

#endif /* DPS_TEST_THREADS_H */
