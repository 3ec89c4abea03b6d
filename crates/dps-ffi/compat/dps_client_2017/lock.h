/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A lock that needs no setting up. */
#ifndef DPS_2017_LOCK_H
#define DPS_2017_LOCK_H

#ifdef _WIN32
#include <windows.h>
typedef SRWLOCK LOCK;
#define LOCK_FREE SRWLOCK_INIT
#define lock_take(lock) AcquireSRWLockExclusive(lock)
#define lock_give(lock) ReleaseSRWLockExclusive(lock)
#else
#include <pthread.h>
typedef pthread_mutex_t LOCK;
#define LOCK_FREE PTHREAD_MUTEX_INITIALIZER
#define lock_take(lock) ((void)pthread_mutex_lock(lock))
#define lock_give(lock) ((void)pthread_mutex_unlock(lock))
#endif

#endif /* DPS_2017_LOCK_H */
