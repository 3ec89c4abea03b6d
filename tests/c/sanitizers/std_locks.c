/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Tells the thread sanitizer about the locks of Rust's standard library, whose code comes compiled
 * without it. What of a lock is inlined into libdps is instrumented; its slow paths are not, so that a
 * lock that had to be waited for would seem to order nothing. The linker's --wrap has each of them
 * come by here. The names hold a hash of the compiler; tests/src/sanitized.rs finds them.
 */
#include <stdbool.h>
#include <stdint.h>

void __tsan_acquire(void* address);
void __tsan_release(void* address);

#define JOIN(a, b) a##b
#define REAL(name) JOIN(__real_, name)
#define WRAP(name) JOIN(__wrap_, name)

/* Mutex and RwLock: taken when they return. The word is the lock itself. */
#define TAKES(name) \
    void REAL(name)(void* lock); \
    void WRAP(name)(void* lock) \
    { \
        REAL(name)(lock); \
        __tsan_acquire(lock); \
    }
TAKES(LOCK_CONTENDED)
TAKES(READ_CONTENDED)
TAKES(WRITE_CONTENDED)

/* Condvar: gives the mutex back, and takes it again. */
void REAL(CONDVAR_WAIT)(void* condvar, void* mutex);
void WRAP(CONDVAR_WAIT)(void* condvar, void* mutex)
{
    __tsan_release(mutex);
    REAL(CONDVAR_WAIT)(condvar, mutex);
    __tsan_acquire(mutex);
}

bool REAL(CONDVAR_WAIT_TIMEOUT)(void* condvar, void* mutex, uint64_t seconds, uint32_t nanoseconds);
bool WRAP(CONDVAR_WAIT_TIMEOUT)(void* condvar, void* mutex, uint64_t seconds, uint32_t nanoseconds)
{
    bool in_time;
    __tsan_release(mutex);
    in_time = REAL(CONDVAR_WAIT_TIMEOUT)(condvar, mutex, seconds, nanoseconds);
    __tsan_acquire(mutex);
    return in_time;
}

/* Once: whoever finds it done has what was done. The arguments pass through. */
void REAL(ONCE_CALL)(void* once, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d);
void WRAP(ONCE_CALL)(void* once, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)
{
    REAL(ONCE_CALL)(once, a, b, c, d);
    __tsan_acquire(once);
    __tsan_release(once);
}
