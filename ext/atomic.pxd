# Owns: the loads and stores that two threads make without a lock, and the monotonic clock in nanoseconds.
# Never: locks, or anything wider than a word.

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>
    #include <pthread.h>

    static inline int64_t at_load(int64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline void at_store(int64_t *at, int64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
    static inline int64_t at_add(int64_t *at, int64_t value) { return __atomic_add_fetch(at, value, __ATOMIC_ACQ_REL); }
    static inline int64_t at_swap(int64_t *at, int64_t value) {
        return __atomic_exchange_n(at, value, __ATOMIC_ACQ_REL);
    }
    static inline void at_or(uint8_t *at, uint8_t bits) { __atomic_fetch_or(at, bits, __ATOMIC_RELEASE); }

    static inline int64_t now_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    """
    ctypedef struct pthread_t:
        pass
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int64_t at_load(int64_t *at) noexcept nogil
    void at_store(int64_t *at, int64_t value) noexcept nogil
    int64_t at_add(int64_t *at, int64_t value) noexcept nogil
    int64_t at_swap(int64_t *at, int64_t value) noexcept nogil
    void at_or(uint8_t *at, uint8_t bits) noexcept nogil
    int64_t now_ns() noexcept nogil
    int pthread_mutex_init(pthread_mutex_t *lock, void *attributes) noexcept nogil
    int pthread_mutex_destroy(pthread_mutex_t *lock) noexcept nogil
    int pthread_mutex_lock(pthread_mutex_t *lock) noexcept nogil
    int pthread_mutex_unlock(pthread_mutex_t *lock) noexcept nogil
    int pthread_cond_init(pthread_cond_t *cond, void *attributes) noexcept nogil
    int pthread_cond_destroy(pthread_cond_t *cond) noexcept nogil
    int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock) noexcept nogil
    int pthread_cond_signal(pthread_cond_t *cond) noexcept nogil
    int pthread_cond_broadcast(pthread_cond_t *cond) noexcept nogil
    int pthread_create(
        pthread_t *thread, void *attributes, void *(*start)(void *) noexcept nogil, void *argument
    ) noexcept nogil
    int pthread_join(pthread_t thread, void **value) noexcept nogil
