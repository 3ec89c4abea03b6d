/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L

#include "threads.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The thread sanitizer has one of its own from the first pthread_create on. */
#ifdef __SANITIZE_THREAD__
#define ALLOWED 2
#else
#define ALLOWED 1
#endif

void sleep_ms(unsigned int milliseconds)
{
    struct timespec pause;
    pause.tv_sec = (time_t)(milliseconds / 1000u);
    pause.tv_nsec = (long)(milliseconds % 1000u) * 1000000L;
    nanosleep(&pause, NULL);
}

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

bool is_within(uint64_t began, uint64_t milliseconds)
{
    const char* limit = getenv("DPS_TEST_LIMIT_MS");
    return now_ms() - began < (limit != NULL ? strtoull(limit, NULL, 10) : milliseconds);
}

int thread_count(void)
{
#ifdef __linux__
    DIR* folder = opendir("/proc/self/task");
    struct dirent* entry;
    int threads = 0;
    if (folder == NULL)
    {
        perror("/proc/self/task");
        exit(EXIT_FAILURE);
    }
    while ((entry = readdir(folder)) != NULL)
    {
        threads += entry->d_name[0] != '.';
    }
    closedir(folder);
    return threads;
#else
    return 1;
#endif
}

void no_thread_is_left(void)
{
    const uint64_t began = now_ms();
    int threads;
    while ((threads = thread_count()) > ALLOWED)
    {
        if (now_ms() - began > 30000)
        {
            fprintf(stderr, "%d threads are left, %d are allowed\n", threads, ALLOWED);
            exit(EXIT_FAILURE);
        }
        sleep_ms(5);
    }
}
