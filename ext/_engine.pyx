# cython: language_level=3, cdivision=True, auto_pickle=False, autotestdict=False
# Owns: the Python-visible face of the engine: Engine, Transfer, Put, Pace, LiveMap; Channel comes from _channel.
# Never: the loops themselves, which run without the GIL in the .pxd files beside this one.
#
# Ownership: a Channel belongs to Python until ``Engine.receive`` lends it, and again after its Transfer has come out
# of ``Engine.drain``. The engine keeps the Transfer, and with it Channel, Pace and LiveMap, alive in between.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN, EMFILE
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc
from libc.string cimport memset

from atomic cimport (
    at_add,
    at_load,
    at_store,
    pthread_create,
    pthread_join,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)
from channel cimport c_getpid
from loop cimport SL_READ, sl_poll_open, sl_poll_set, sl_wake_clear, sl_wake_close, sl_wake_open
from pace cimport pace_set, pace_t
from transfer cimport (
    BUFFER_FIRST,
    BUFFER_MIN,
    R_BOUND,
    R_CANCELLED,
    R_CHUNK,
    R_COMPLETE,
    R_EOF,
    R_RUNNING,
    R_SOCKET,
    R_STALLED,
    R_TLS,
    R_WRITE,
    budget_t,
    transfer_shrink,
    transfer_t,
)
from slasshy_rpc._channel cimport Channel as LentChannel
from whole cimport put_t, puts_done, puts_free, puts_open, puts_stop, puts_submit, puts_t
from worker cimport outbox_t, worker_free, worker_main, worker_prod, worker_submit, worker_t
from writer cimport BLOCK_SIZE, live_ceiling, live_floor, live_mark, live_t

import atexit
import os
import weakref

from slasshy_rpc._channel import (
    CHUNKED,
    CLOSE,
    LENGTH,
    READ,
    WRITE,
    Channel,
    TlsContext,
    TlsError,
    load_tls,
    tls_library,
)

__all__ = [
    "BAD_CHUNK",
    "BLOCK",
    "BOUND",
    "CANCELLED",
    "CHUNKED",
    "CLOSE",
    "COMPLETE",
    "EOF",
    "LENGTH",
    "READ",
    "RUNNING",
    "SOCKET_ERROR",
    "STALLED",
    "TLS_ERROR",
    "UNBOUNDED",
    "WRITE",
    "WRITE_ERROR",
    "Channel",
    "Engine",
    "LiveMap",
    "Pace",
    "Put",
    "TlsContext",
    "TlsError",
    "Transfer",
    "load_tls",
    "tls_library",
]

RUNNING = <int>R_RUNNING
COMPLETE = <int>R_COMPLETE
BOUND = <int>R_BOUND
EOF = <int>R_EOF
CANCELLED = <int>R_CANCELLED
SOCKET_ERROR = <int>R_SOCKET
WRITE_ERROR = <int>R_WRITE
TLS_ERROR = <int>R_TLS
BAD_CHUNK = <int>R_CHUNK
STALLED = <int>R_STALLED

UNBOUNDED = INT64_MAX
BLOCK = <int>BLOCK_SIZE


@cython.final
cdef class Pace:
    """A rate limit in bytes a second, 0 for none; may be changed at any time. A parent's limit holds as well."""

    cdef pace_t c
    cdef Pace parent

    def __cinit__(self, int64_t rate=0, Pace parent=None):
        memset(&self.c, 0, sizeof(pace_t))
        pthread_mutex_init(&self.c.lock, NULL)
        self.parent = parent
        self.c.parent = &parent.c if parent is not None else NULL
        self.rate = rate

    def __init__(self, rate=0, parent=None):
        pass        # all is done in __cinit__: a Pace that runs must not get another parent

    def __dealloc__(self):
        pthread_mutex_destroy(&self.c.lock)

    @property
    def rate(self):
        return at_load(&self.c.rate)

    @rate.setter
    def rate(self, int64_t rate):
        if rate < 0:
            raise ValueError("a rate is 0 or more")
        pace_set(&self.c, rate)


@cython.final
cdef class LiveMap:
    """The bitmap of 16 KiB blocks that are on disk, in a writable buffer (an mmap) that outlives the process."""

    cdef live_t c
    cdef Py_buffer view
    cdef bint held
    cdef int users              # transfers that mark in it

    def __init__(self, bitmap, int64_t length):
        if self.held:
            raise ValueError("a LiveMap is set up once")
        PyObject_GetBuffer(bitmap, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self.held = True
        self.c.bits = <uint8_t *>self.view.buf
        self.c.length = length
        self.c.blocks = live_ceiling(length)
        if length < 0 or self.view.len * 8 < self.c.blocks:
            self.close()
            raise ValueError("the bitmap is too small for the length")

    def __dealloc__(self):
        self.users = 0      # not zero only in a forked child, whose transfers never end
        self.close()

    def mark(self, int64_t start, int64_t end):
        """Mark the blocks that lie wholly in [start, end); the file's short last block counts."""
        if self.held and 0 <= start < end:
            live_mark(&self.c, live_ceiling(start), live_floor(&self.c, end))

    def close(self):
        """Let go of the buffer. Raises RuntimeError while a Transfer that has not come out of ``drain`` marks in it."""
        if self.users:
            raise RuntimeError("a transfer is using the live map")
        if self.held:
            self.held = False
            self.c.blocks = 0
            PyBuffer_Release(&self.view)


@cython.final
cdef class Transfer:
    """The engine's work order for one Segment on one Channel, made by ``Engine.receive``.

    Counters are read at any time, from any thread.
    """

    cdef transfer_t c
    cdef LentChannel channel
    cdef Pace pace
    cdef LiveMap live
    cdef Engine engine
    cdef worker_t *worker
    cdef object device          # st_dev of the file

    @property
    def offset(self):
        return self.c.offset

    @property
    def position(self):
        """Received up to here (bytes from the start of the file)."""
        return at_load(&self.c.position)

    @property
    def flushed(self):
        """Written to the file up to here."""
        return at_load(&self.c.flushed)

    @property
    def end(self):
        return at_load(&self.c.end)

    @property
    def reason(self):
        return at_load(&self.c.reason)

    @property
    def os_error(self):
        return self.c.os_error if at_load(&self.c.reason) else 0

    @property
    def message(self):
        """The TLS library's words after TLS_ERROR."""
        if at_load(&self.c.reason) != R_TLS:
            return ""
        return self.channel.c.message.decode("utf-8", "replace")

    cdef bint _reachable(self) noexcept:
        return self.worker != NULL and self.engine.process == c_getpid()

    def shrink(self, int64_t end):
        """Give up the bytes from ``end`` on, all or nothing; False if they are here already or it has ended."""
        if not self._reachable() or not transfer_shrink(&self.c, end):
            return False
        worker_prod(self.worker)
        return True

    def cancel(self):
        """Stop as soon as possible (what was received is flushed); it still comes out of ``drain``."""
        if self._reachable():
            at_store(&self.c.cancelled, 1)
            worker_prod(self.worker)


@cython.final
cdef class Put:
    """The engine's work order for one small file, made by ``Engine.put``."""

    cdef put_t c
    cdef bytes path             # what ``c`` points into
    cdef bytes record
    cdef Py_buffer body
    cdef readonly object done   # None until it has come out of ``drain``; then whether the file is there

    def __dealloc__(self):
        PyBuffer_Release(&self.body)


@cython.final
cdef class Engine:
    """The worker threads that move bytes. ``wakeup_fd`` is readable when ``drain`` has something."""

    cdef outbox_t outbox
    cdef puts_t puts
    cdef budget_t budget
    cdef list workers           # of addresses of worker_t
    cdef dict running           # address of transfer_t or put_t -> Transfer or Put
    cdef dict placed            # device -> index of its worker, for devices that are slow
    cdef int first
    cdef bint closed
    cdef bint begun
    cdef int process            # the threads are this one's; a forked child has none of them
    cdef object __weakref__

    def __cinit__(self):
        self.process = c_getpid()       # all else that is not named here is zero
        pthread_mutex_init(&self.outbox.lock, NULL)
        self.outbox.ends[0] = self.outbox.ends[1] = -1
        puts_open(&self.puts, &self.outbox)
        self.closed = True
        self.workers = []
        self.running = {}
        self.placed = {}

    def __init__(self, int threads=1, int64_t buffer_size=4 << 20, int64_t buffer_budget=64 << 20):
        """``threads`` serve all devices in turn; a device whose writes stall gets one of its own later."""
        if threads < 1 or buffer_size < BUFFER_MIN:
            raise ValueError(f"at least one thread, and buffers of at least {BUFFER_MIN} bytes")
        if self.begun:
            raise ValueError("an Engine is set up once")
        self.begun = True
        self.budget.total = buffer_budget
        self.budget.largest = buffer_size
        self.first = threads
        if sl_wake_open(self.outbox.ends) < 0:
            raise OSError(EMFILE, "no descriptor left for the engine's wake-up")
        self.closed = False
        _open_engines.add(self)
        try:
            for _ in range(threads):
                self._hire()
        except BaseException:
            self.close()
            raise

    cdef int _hire(self) except -1:
        cdef worker_t *worker = <worker_t *>calloc(1, sizeof(worker_t))
        if worker == NULL:
            raise MemoryError
        pthread_mutex_init(&worker.lock, NULL)
        worker.outbox = &self.outbox
        worker.ends[0] = worker.ends[1] = -1
        worker.poll = sl_poll_open()
        if worker.poll < 0 or sl_wake_open(worker.ends) < 0:
            worker_free(worker)
            raise OSError(EMFILE, "no descriptor left for an engine thread")
        sl_poll_set(worker.poll, worker.ends[0], NULL, 0, SL_READ)
        if pthread_create(&worker.thread, NULL, worker_main, worker) != 0:
            worker_free(worker)
            raise OSError(EAGAIN, "no engine thread can be started")
        self.workers.append(<uintptr_t>worker)
        return 0

    def __del__(self):
        # Not __dealloc__: the collector takes a cycle apart before that, and threads would still use what it frees.
        self.close()

    def __dealloc__(self):
        if self.process == c_getpid():      # in a forked child others seem to wait, for whom this would wait for ever
            pthread_mutex_destroy(&self.outbox.lock)
            puts_free(&self.puts)

    @property
    def wakeup_fd(self):
        return self.outbox.ends[0]

    def receive(
        self,
        LentChannel channel not None,
        int fd,
        int64_t offset,
        int64_t end,
        *,
        int64_t solid_from=-1,
        LiveMap live=None,
        Pace pace=None,
        double timeout=60.0,
    ):
        """Move the channel's body to ``fd`` at ``offset``, up to ``end`` (bytes; UNBOUNDED: as far as it goes).

        Bytes from ``solid_from`` to ``offset`` are on disk already (for the live map). ``timeout`` is the longest
        silence of the peer in seconds. The channel is lent until the Transfer comes out of ``drain``.
        """
        cdef Transfer t
        if not 0 <= offset < end:
            raise ValueError(f"not a range of bytes: {offset} to {end}")
        if timeout != timeout:
            raise ValueError("a time-out is a number of seconds")
        device = os.fstat(fd).st_dev    # lets other threads in: the channel and the engine are looked at after it
        channel._own()
        if self.closed or self.process != c_getpid():
            raise RuntimeError("the engine is closed")
        t = Transfer.__new__(Transfer)
        memset(&t.c, 0, sizeof(transfer_t))
        t.channel = channel
        t.pace = pace
        t.live = live
        t.engine = self
        t.device = device
        t.worker = <worker_t *><uintptr_t>self.workers[self._place(t.device)]
        t.c.channel = &channel.c
        t.c.file = fd
        t.c.offset = t.c.position = t.c.flushed = offset
        t.c.end = end
        t.c.wish = BUFFER_FIRST
        t.c.lock = &t.worker.lock
        t.c.budget = &self.budget
        t.c.timeout_ns = <int64_t>(timeout * 1e9) if 0 < timeout < 1e9 else INT64_MAX // 2
        t.c.solid_from = solid_from if 0 <= solid_from <= offset else offset
        if live is not None and live.held:
            t.c.live = &live.c
            live.users += 1
        t.c.marked = live_ceiling(t.c.solid_from)
        t.c.pace = &pace.c if pace is not None else NULL
        channel._lent = True
        self.running[<uintptr_t>&t.c] = t
        at_add(&self.budget.transfers, 1)
        worker_submit(t.worker, &t.c)
        return t

    def put(self, bytes path not None, bytes record not None, body, modified=None):
        """Make the file ``path`` of ``body``, dated ``modified`` (whole seconds since the epoch), in one go.

        ``body`` must not change until the Put has come out of ``drain``. It is not done, and nothing else is, if
        anything lies there or at ``record``, or if the system refuses a step.
        """
        cdef Put p = Put.__new__(Put)
        if self.closed or self.process != c_getpid():
            raise RuntimeError("the engine is closed")
        PyObject_GetBuffer(body, &p.body, PyBUF_SIMPLE)
        p.path, p.record = path, record
        p.c.path, p.c.record = path, record
        p.c.data = <const char *>p.body.buf
        p.c.size = p.body.len
        p.c.dated = modified is not None
        p.c.modified = modified or 0
        self.running[<uintptr_t>&p.c] = p       # first: whoever has a thread's work must live as long as it
        if not puts_submit(&self.puts, &p.c):
            del self.running[<uintptr_t>&p.c]
            raise OSError(EAGAIN, "no engine thread can be started")
        return p

    cdef int _place(self, device) except -1:
        if device in self.placed:
            return self.placed[device]
        return len(self.running) % self.first

    def drain(self):
        """What has ended since the last call: Transfers, with their channels given back, and Puts."""
        cdef transfer_t *done
        cdef put_t *put
        cdef Transfer t
        cdef Put p
        if self.process != c_getpid():
            return []       # a forked child must not take the wake-up, nor wait for a lock whose holder it has not got
        sl_wake_clear(self.outbox.ends[0])
        at_store(&self.outbox.told, 0)
        pthread_mutex_lock(&self.outbox.lock)
        done = self.outbox.first
        self.outbox.first = self.outbox.last = NULL
        pthread_mutex_unlock(&self.outbox.lock)
        ended = []
        while done != NULL:
            t = self.running.pop(<uintptr_t>done)
            done = done.next
            t.channel._lent = False
            t.worker = NULL
            if t.c.live != NULL:
                t.live.users -= 1
            ended.append(t)
            if t.c.slow and t.device not in self.placed and not self.closed:
                try:
                    self._hire()
                except (OSError, MemoryError):
                    continue        # it stays where it is; the next slow one asks again
                self.placed[t.device] = len(self.workers) - 1
        put = puts_done(&self.puts)
        while put != NULL:
            p = self.running.pop(<uintptr_t>put)
            put = put.next
            p.done = p.c.failed == 0
            PyBuffer_Release(&p.body)
            ended.append(p)
        return ended

    def close(self):
        """Cancel every transfer, flush what they hold, make what was put, end the threads; returns what this ended.

        In a forked child, which has none of the threads, nothing ends: it only lets go of the descriptors.
        """
        cdef worker_t *worker
        cdef bint here = self.process == c_getpid()
        if self.closed:
            return []
        self.closed = True
        _open_engines.discard(self)
        if here:
            for address in self.workers:
                worker = <worker_t *><uintptr_t>address
                at_store(&worker.stopping, 1)
                worker_prod(worker)
            for address in self.workers:
                worker = <worker_t *><uintptr_t>address
                with nogil:
                    pthread_join(worker.thread, NULL)
            with nogil:
                puts_stop(&self.puts)
        # Until the Transfers have been drained, cancel and shrink may still reach for the workers.
        ended = self.drain() if here else []
        for address in self.workers:
            worker_free(<worker_t *><uintptr_t>address)
        self.workers.clear()
        sl_wake_close(self.outbox.ends)
        self.outbox.ends[0] = self.outbox.ends[1] = -1
        return ended


_open_engines = weakref.WeakSet()


@atexit.register
def _close_engines():
    # libssl takes itself apart when the process ends: no thread may be inside it then.
    for engine in list(_open_engines):
        engine.close()
