# Owns: the token bucket behind --max-download-limit and --max-overall-download-limit.
# Never: waiting; it only says how many bytes may be taken now, or how long until some may.
#
# A bucket holds at most a tenth of a second; a step smaller than a quantum is put off, so that a low rate does not
# become a storm of tiny reads. Tokens may go below zero: what was taken is paid for before the next take.

from libc.stdint cimport int64_t

from atomic cimport at_load, at_store, now_ns, pthread_mutex_lock, pthread_mutex_t, pthread_mutex_unlock

cdef struct pace_t:
    pthread_mutex_t lock
    int64_t rate        # bytes a second; 0: no limit
    double tokens       # bytes
    int64_t filled_ns   # when tokens were last refilled
    pace_t *parent

cdef inline double pace_quantum(int64_t rate) noexcept nogil:
    """The smallest take worth a wake-up: 20 ms of the rate, between 1 byte and 64 KiB."""
    cdef double quantum = rate * 0.02
    return 1 if quantum < 1 else (65536 if quantum > 65536 else quantum)

cdef inline void pace_refill(pace_t *self, int64_t now) noexcept nogil:
    cdef double room = self.rate * 0.1
    cdef double quantum = pace_quantum(self.rate)
    if room < quantum:
        room = quantum
    if now > self.filled_ns:
        self.tokens += (now - self.filled_ns) * 1e-9 * self.rate
        self.filled_ns = now
    if self.tokens > room:
        self.tokens = room

cdef inline int64_t pace_take(pace_t *self, int64_t want, int64_t now, int64_t *wait_ns) noexcept nogil:
    """Bytes of ``want`` that may be read now by every bucket up the chain; 0 sets ``wait_ns``. Nothing is spent."""
    cdef int64_t may = want
    cdef double short
    while self != NULL:
        if at_load(&self.rate) > 0:
            pthread_mutex_lock(&self.lock)
            if self.rate > 0:       # not lifted in this very moment
                pace_refill(self, now)
                short = pace_quantum(self.rate) - self.tokens
                if short > 0:
                    wait_ns[0] = <int64_t>(short / self.rate * 1e9) + 1000000
                    may = 0
                elif self.tokens < may:
                    may = <int64_t>self.tokens
            pthread_mutex_unlock(&self.lock)
            if may == 0:
                return 0
        self = self.parent
    return may

cdef inline void pace_spend(pace_t *self, int64_t taken) noexcept nogil:
    while self != NULL:
        if at_load(&self.rate) > 0:
            pthread_mutex_lock(&self.lock)
            self.tokens -= taken
            pthread_mutex_unlock(&self.lock)
        self = self.parent

cdef inline void pace_set(pace_t *self, int64_t rate) noexcept nogil:
    pthread_mutex_lock(&self.lock)
    at_store(&self.rate, rate)
    self.tokens = 0
    self.filled_ns = now_ns()
    pthread_mutex_unlock(&self.lock)
