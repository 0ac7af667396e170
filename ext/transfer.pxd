# Owns: one Segment's way from its channel to its file: receive, decode, buffer, flush. This is the hot path.
# Never: threads or descriptors' readiness (worker.pxd), Python objects.
#
# A transfer is touched by one worker. Others only load its counters, and lower ``end`` or set ``cancelled`` under
# the rules of ``transfer_shrink``. At all times:  offset <= flushed <= position <= end,  position - flushed = fill.

from libc.errno cimport ENOMEM
from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from atomic cimport (
    at_add,
    at_load,
    at_store,
    now_ns,
    pthread_mutex_lock,
    pthread_mutex_t,
    pthread_mutex_unlock,
)
from body cimport BODY_CHUNKED, BODY_CLOSE, BODY_LENGTH, CHUNK_BAD, chunk_decode
from channel cimport IO_AGAIN, IO_EOF, IO_SOCKET, IO_TLS, channel_recv, channel_t
from loop cimport SL_READ
from pace cimport pace_spend, pace_t, pace_take
from writer cimport live_ceiling, live_floor, live_mark, live_t, write_all

cdef enum reason_t:
    R_RUNNING = 0
    R_COMPLETE = 1
    R_BOUND = 2
    R_EOF = 3
    R_CANCELLED = 4
    R_SOCKET = 5
    R_WRITE = 6
    R_TLS = 7
    R_CHUNK = 8
    R_STALLED = 9

cdef enum:
    BUFFER_MIN = 256 * 1024
    BUFFER_FIRST = 512 * 1024   # what is written while it is still in the processor's cache costs least
    SLOW_BYTE_NS = 8            # writing slower than this (125 MB/s) asks for larger buffers: fewer, longer writes
    TURN = 4 * 1024 * 1024      # bytes one transfer may move before the others have their turn
    OLDEST_NS = 1000000000      # a byte waits in a buffer for one second at most
    SLOW_WRITE_NS = 50000000    # a flush slower than this gives its device a worker of its own

cdef struct budget_t:
    int64_t total               # bytes all buffers together may take
    int64_t in_use
    int64_t largest             # bytes of one buffer
    int64_t transfers           # how many share it now

cdef struct transfer_t:
    channel_t *channel
    int file
    int64_t offset
    int64_t position            # received
    int64_t flushed             # written to the file
    int64_t end
    int64_t cancelled
    int64_t reason
    int os_error
    pthread_mutex_t *lock       # the worker's; guards end against position
    budget_t *budget
    uint8_t *buffer
    int64_t room                # size of the buffer
    int64_t wish                # size that suits the device; doubles while writes are slow
    int64_t fill                # bytes in it
    int64_t oldest_ns           # when its first byte came
    int64_t heard_ns            # when the last byte came
    int64_t timeout_ns
    int64_t wake_ns             # runs again then, whatever the poll says (its pace parked it); 0: the poll tells
    live_t *live
    int64_t solid_from          # bytes from here to offset were on disk before
    int64_t marked              # first block not marked yet
    pace_t *pace
    bint slow                   # a write took too long for others to wait behind
    int watched                 # what readiness the worker's poll reports for it
    transfer_t *next            # in the worker's inbox or outbox
    transfer_t *left            # in the worker's ring of running transfers
    transfer_t *right

cdef inline int64_t buffer_share(budget_t *self) noexcept nogil:
    """What one buffer may be now: the budget parted evenly, never below 256 KiB."""
    cdef int64_t sharing = at_load(&self.transfers)
    cdef int64_t share = self.total // (sharing if sharing > 0 else 1)
    if share > self.largest:
        share = self.largest
    share &= ~<int64_t>(BUFFER_MIN - 1)
    return share if share > BUFFER_MIN else BUFFER_MIN

cdef inline bint buffer_take(transfer_t *self) noexcept nogil:
    cdef int64_t share = buffer_share(self.budget)
    cdef int64_t whole
    if share > self.wish:
        share = self.wish
    if at_load(&self.budget.in_use) + share > self.budget.total:
        share = BUFFER_MIN
    # A short segment needs no more than its own length (and a little, for chunk framing).
    whole = at_load(&self.end) - self.position
    if whole < share - 2 * BUFFER_MIN:
        share = (whole + 2 * BUFFER_MIN) & ~<int64_t>(BUFFER_MIN - 1)
    self.buffer = <uint8_t *>malloc(share)
    if self.buffer == NULL:
        return False
    self.room = share
    self.fill = 0
    at_add(&self.budget.in_use, share)
    return True

cdef inline void buffer_drop(transfer_t *self) noexcept nogil:
    if self.buffer != NULL:
        at_add(&self.budget.in_use, -self.room)
        free(self.buffer)
        self.buffer = NULL
        self.room = 0

cdef inline int buffer_change(transfer_t *self) noexcept nogil:
    """Another size for an empty buffer; 0, or the error number."""
    buffer_drop(self)
    return 0 if buffer_take(self) else ENOMEM

cdef inline int transfer_flush(transfer_t *self) noexcept nogil:
    """Write the buffer out and mark its blocks; 0, or the error number (what was written counts all the same)."""
    cdef int64_t written = 0
    cdef int64_t took
    cdef int64_t floor_
    cdef int64_t share
    cdef int failed
    if self.fill == 0:
        return 0
    took = now_ns()
    failed = write_all(self.file, self.buffer, self.fill, self.flushed, &written)
    took = now_ns() - took
    if took > SLOW_WRITE_NS:
        self.slow = True
    self.fill -= written
    if written > 0:
        at_store(&self.flushed, self.flushed + written)
        if self.live != NULL:
            floor_ = live_floor(self.live, self.flushed)
            if floor_ > self.marked:
                live_mark(self.live, self.marked, floor_)
                self.marked = floor_
    if failed:
        return failed
    # The buffer is empty: the moment to change it. With many connections the early ones hold more than their share;
    # one that was full and slow to write should be larger.
    share = buffer_share(self.budget)
    if at_load(&self.budget.in_use) > self.budget.total and self.room > share:
        return buffer_change(self)
    if written == self.room and took > written * SLOW_BYTE_NS and self.room == self.wish < share:
        self.wish *= 2
        return buffer_change(self)
    return 0

cdef inline bint transfer_shrink(transfer_t *self, int64_t end) noexcept nogil:
    """Give up the bytes from ``end`` on, unless they are here already. Any thread."""
    cdef bint done
    pthread_mutex_lock(self.lock)
    done = at_load(&self.reason) == R_RUNNING and self.position <= end < self.end and end > self.offset
    if done:
        at_store(&self.end, end)
    pthread_mutex_unlock(self.lock)
    return done

cdef inline int64_t transfer_advance(transfer_t *self, int64_t payload) noexcept nogil:
    """Count ``payload`` new bytes, at most up to ``end`` (it may have moved while they came); returns those kept."""
    cdef int64_t kept = payload
    pthread_mutex_lock(self.lock)
    if kept > self.end - self.position:
        kept = self.end - self.position
    at_store(&self.position, self.position + kept)
    pthread_mutex_unlock(self.lock)
    return kept

cdef inline int transfer_at_end(transfer_t *self) noexcept nogil:
    if self.channel.body.over:
        return R_COMPLETE
    return R_BOUND

cdef inline int transfer_body_over(transfer_t *self) noexcept nogil:
    """The body ended before ``end``: right only where the end was not known."""
    return R_COMPLETE if at_load(&self.end) == INT64_MAX else R_EOF

cdef inline int transfer_eof(transfer_t *self) noexcept nogil:
    """The peer closed: the proper end of a close-delimited body, too early for any other."""
    self.channel.surplus = True
    if self.channel.body.framing == BODY_CLOSE and at_load(&self.end) == INT64_MAX:
        self.channel.body.over = True
        return R_COMPLETE
    return R_EOF

cdef inline int transfer_pump(transfer_t *self) noexcept nogil:
    """Move bytes until the channel has none, the pace says stop or the turn is over; R_RUNNING, or why it ended."""
    cdef channel_t *channel = self.channel
    cdef int64_t turn = TURN
    cdef int64_t want, left, payload, kept, used, wait
    cdef ssize_t n
    cdef int failed
    channel.wants = SL_READ
    while turn > 0:
        if at_load(&self.cancelled):
            return R_CANCELLED
        left = at_load(&self.end) - self.position
        if left <= 0:
            return transfer_at_end(self)
        if channel.body.over:
            return transfer_body_over(self)
        if self.fill == self.room:
            failed = transfer_flush(self)
            if failed:
                self.os_error = failed
                return R_WRITE
        want = self.room - self.fill
        if channel.body.framing != BODY_CHUNKED and want > left:
            want = left
        if channel.body.framing == BODY_LENGTH and want > channel.body.left:
            want = channel.body.left
        if self.pace != NULL:
            wait = 0
            want = pace_take(self.pace, want, now_ns(), &wait)
            if want == 0:
                self.wake_ns = now_ns() + wait
                return R_RUNNING
        n = channel_recv(channel, self.buffer + self.fill, want)
        if n == IO_AGAIN:
            return R_RUNNING
        if n == IO_EOF:
            return transfer_eof(self)
        if n == IO_SOCKET:
            self.os_error = channel.os_error
            return R_SOCKET
        if n == IO_TLS:
            return R_TLS
        turn -= n
        if self.pace != NULL:
            pace_spend(self.pace, n)
        payload = n
        if channel.body.framing == BODY_LENGTH:
            channel.body.left -= n
            if channel.body.left == 0:
                channel.body.over = True
        elif channel.body.framing == BODY_CHUNKED:
            used = n
            payload = chunk_decode(&channel.body, self.buffer + self.fill, n, &used)
            if used < n:
                channel.surplus = True
        kept = transfer_advance(self, payload)
        if kept < payload:
            channel.surplus = True
        if kept > 0:
            if self.fill == 0:
                self.oldest_ns = now_ns()
            self.fill += kept
        if self.position == at_load(&self.end):
            return transfer_at_end(self) if kept == payload else R_BOUND
        if channel.body.over:
            return transfer_body_over(self)
        if channel.body.state == CHUNK_BAD:
            return R_CHUNK
        if channel.ssl == NULL and n < want and channel.pending == NULL:
            return R_RUNNING    # the socket is empty: the next recv would only say so
    # The turn is over. No poll reports the bytes that libssl or the head's reader took from the socket already.
    if channel.pending != NULL or (channel.ssl != NULL and channel.tls.SSL_pending(channel.ssl) > 0):
        self.wake_ns = now_ns()
    return R_RUNNING
