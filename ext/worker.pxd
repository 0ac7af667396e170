# Owns: one engine thread: its inbox, its poll, its timers and the transfers that it runs.
# Never: Python objects or the GIL; what has ended goes to the engine's outbox, and one wake-up tells Python.

from libc.errno cimport ENOMEM, errno
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdlib cimport free

from atomic cimport (
    at_add,
    at_load,
    at_store,
    at_swap,
    now_ns,
    pthread_mutex_destroy,
    pthread_mutex_lock,
    pthread_mutex_t,
    pthread_mutex_unlock,
    pthread_t,
)
from channel cimport c_close, channel_t
from loop cimport SL_READ, SL_WRITE, sl_poll_set, sl_poll_wait, sl_wake_clear, sl_wake_close, sl_wake_send
from transfer cimport (
    OLDEST_NS,
    R_CANCELLED,
    R_RUNNING,
    R_SOCKET,
    R_STALLED,
    R_WRITE,
    buffer_drop,
    buffer_take,
    transfer_at_end,
    transfer_flush,
    transfer_pump,
    transfer_t,
)
cdef extern from *:
    """
    #include <pthread.h>
    #include <signal.h>

    /* Signals belong to Python's main thread. */
    static void sl_block_signals(void) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    """
    void sl_block_signals() noexcept nogil

cdef struct outbox_t:
    pthread_mutex_t lock
    transfer_t *first
    transfer_t *last
    int ends[2]                 # wake-up of Python
    int64_t told                # a wake-up is under way

cdef struct worker_t:
    pthread_t thread
    pthread_mutex_t lock        # guards inbox, and end against position of its transfers
    int poll
    int ends[2]                 # wake-up of this worker
    transfer_t *inbox
    transfer_t *running         # ring
    int64_t next_ns             # earliest timer of all transfers
    int64_t prodded             # some transfer was cancelled, or the worker is to stop
    int64_t stopping
    outbox_t *outbox

cdef inline void outbox_tell(outbox_t *self) noexcept nogil:
    """Any thread: something is there for ``Engine.drain``."""
    if at_swap(&self.told, 1) == 0:
        sl_wake_send(self.ends[1])

cdef inline void outbox_put(outbox_t *self, transfer_t *done) noexcept nogil:
    done.next = NULL
    pthread_mutex_lock(&self.lock)
    if self.last == NULL:
        self.first = done
    else:
        self.last.next = done
    self.last = done
    pthread_mutex_unlock(&self.lock)
    outbox_tell(self)

cdef inline void worker_prod(worker_t *self) noexcept nogil:
    """Any thread: look at the inbox and at the cancelled ones soon."""
    if at_swap(&self.prodded, 1) == 0:
        sl_wake_send(self.ends[1])

cdef inline void worker_submit(worker_t *self, transfer_t *fresh) noexcept nogil:
    pthread_mutex_lock(&self.lock)
    fresh.next = self.inbox
    self.inbox = fresh
    pthread_mutex_unlock(&self.lock)
    worker_prod(self)

cdef inline bint worker_watch(worker_t *self, transfer_t *t, int wanted) noexcept nogil:
    if wanted == t.watched:
        return True
    if sl_poll_set(self.poll, t.channel.fd, t, t.watched, wanted) < 0:
        t.os_error = errno
        return False
    t.watched = wanted
    return True

cdef inline void worker_end(worker_t *self, transfer_t *t, int reason) noexcept nogil:
    """Flush what is left, let go of everything and hand the transfer back."""
    cdef int failed
    if reason != R_WRITE and t.buffer != NULL:
        failed = transfer_flush(t)
        if failed:
            t.os_error = failed
            reason = R_WRITE
    worker_watch(self, t, 0)
    buffer_drop(t)
    at_add(&t.budget.transfers, -1)
    if t.right == t:
        self.running = NULL
    else:
        t.left.right = t.right
        t.right.left = t.left
        if self.running == t:
            self.running = t.right
    pthread_mutex_lock(&self.lock)      # no shrink after this moment
    if reason == R_WRITE:
        at_store(&t.position, t.flushed)
    at_store(&t.reason, reason)
    pthread_mutex_unlock(&self.lock)
    outbox_put(self.outbox, t)

cdef inline void worker_arm(worker_t *self, transfer_t *t) noexcept nogil:
    """Let the next look at the timers be early enough for this transfer."""
    cdef int64_t when = t.heard_ns + t.timeout_ns
    if t.wake_ns:
        when = t.wake_ns
    if t.fill > 0 and t.oldest_ns + OLDEST_NS < when:
        when = t.oldest_ns + OLDEST_NS
    if when < self.next_ns:
        self.next_ns = when

cdef inline void worker_run(worker_t *self, transfer_t *t) noexcept nogil:
    """Give one transfer its turn."""
    cdef int64_t before = t.position
    cdef int reason
    t.wake_ns = 0
    reason = transfer_pump(t)
    if t.position != before or t.wake_ns:
        t.heard_ns = now_ns()       # waiting for our own pace is not silence of the peer
    elif reason == R_RUNNING and t.heard_ns + t.timeout_ns <= now_ns():
        reason = R_STALLED
    if reason == R_RUNNING:
        if worker_watch(self, t, 0 if t.wake_ns else (t.channel.wants if t.channel.wants else SL_READ)):
            worker_arm(self, t)
            return
        reason = R_SOCKET
    worker_end(self, t, reason)

cdef inline void worker_admit(worker_t *self) noexcept nogil:
    cdef transfer_t *fresh
    cdef transfer_t *following
    pthread_mutex_lock(&self.lock)
    fresh = self.inbox
    self.inbox = NULL
    pthread_mutex_unlock(&self.lock)
    while fresh != NULL:
        following = fresh.next
        if self.running == NULL:
            fresh.left = fresh.right = fresh
            self.running = fresh
        else:
            fresh.right = self.running
            fresh.left = self.running.left
            fresh.left.right = fresh
            self.running.left = fresh
        fresh.heard_ns = now_ns()
        if buffer_take(fresh):
            worker_run(self, fresh)
        else:
            fresh.os_error = ENOMEM
            worker_end(self, fresh, R_WRITE)
        fresh = following

cdef inline void worker_look(worker_t *self, bint all_out) noexcept nogil:
    """Timers and cancellations of every running transfer."""
    cdef transfer_t *t
    cdef transfer_t *last
    cdef transfer_t *following
    cdef int64_t now = now_ns()
    cdef int failed
    cdef bint at_last = False
    self.next_ns = INT64_MAX
    if self.running == NULL:
        return
    # Another one goes first each time: the first takes all that a shared pace has.
    t = self.running = self.running.right
    last = t.left
    while not at_last:
        following = t.right
        at_last = t == last
        failed = 0
        if t.fill > 0 and t.oldest_ns + OLDEST_NS <= now:
            failed = transfer_flush(t)
        if failed:
            t.os_error = failed
            worker_end(self, t, R_WRITE)
        elif all_out or at_load(&t.cancelled):
            worker_end(self, t, R_CANCELLED)
        elif at_load(&t.end) <= t.position:
            worker_end(self, t, transfer_at_end(t))     # shrunk to what it has
        elif t.wake_ns and t.wake_ns <= now:
            worker_run(self, t)
        elif not t.wake_ns and t.heard_ns + t.timeout_ns <= now:
            worker_run(self, t)     # a last look: it may be this thread that was away, in a slow write or stopped
        else:
            worker_arm(self, t)
        t = following

cdef inline void worker_free(worker_t *self) noexcept nogil:
    """Its thread has ended, or never began."""
    if self.poll >= 0:
        c_close(self.poll)
    sl_wake_close(self.ends)
    pthread_mutex_destroy(&self.lock)
    free(self)

cdef inline void *worker_main(void *argument) noexcept nogil:
    cdef worker_t *self = <worker_t *>argument
    cdef void *tags[64]
    cdef int64_t pause
    cdef int i, n
    sl_block_signals()
    self.next_ns = INT64_MAX
    while not at_load(&self.stopping):
        pause = -1
        if self.next_ns != INT64_MAX:
            pause = (self.next_ns - now_ns() + 999999) // 1000000
            pause = 0 if pause < 0 else (60000 if pause > 60000 else pause)
        n = sl_poll_wait(self.poll, tags, 64, <int>pause)
        for i in range(n):
            if tags[i] == NULL:
                sl_wake_clear(self.ends[0])
            else:
                worker_run(self, <transfer_t *>tags[i])
        # A swap, not a store: whoever prods from now on wakes us, and what was prodded for before is seen below.
        if at_swap(&self.prodded, 0):
            worker_admit(self)
            worker_look(self, False)
        elif self.next_ns <= now_ns():
            worker_look(self, False)
    worker_admit(self)
    worker_look(self, True)
    return NULL
