# cython: language_level=3, cdivision=True, auto_pickle=False, autotestdict=False
# Owns: the Python-visible face of the engine: Engine, Transfer, Channel, Pace, LiveMap, TlsContext.
# Never: the loops themselves, which run without the GIL in the .pxd files beside this one.
#
# Ownership: a Channel belongs to Python until ``Engine.receive`` lends it, and again after its Transfer has come out
# of ``Engine.drain``. The engine keeps the Transfer, and with it Channel, Pace and LiveMap, alive in between.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EMFILE
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

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
from body cimport BODY_CHUNKED, BODY_CLOSE, BODY_LENGTH, body_begin
from channel cimport (
    IO_AGAIN,
    IO_EOF,
    IO_TLS,
    MSG_DONTWAIT,
    MSG_PEEK,
    c_close,
    c_getpid,
    c_recv,
    channel_recv,
    channel_send,
    channel_t,
    channel_tls_result,
    sl_errno_clear,
)
from loop cimport SL_READ, SL_WRITE, sl_poll_open, sl_poll_set, sl_wake_clear, sl_wake_close, sl_wake_open
from openssl cimport (
    SL_SSL_MIN_PROTO,
    SL_SSL_MODE,
    SL_SSL_PARTIAL_WRITE_AND_MOVING_BUFFER,
    SL_SSL_PEM,
    SL_SSL_SNI,
    SL_SSL_VERIFY_PEER,
    SSL_CTX,
    ossl,
    sl_ssl_bind,
    sl_ssl_never_ask,
)
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
from worker cimport outbox_t, worker_free, worker_main, worker_prod, worker_submit, worker_t
from writer cimport BLOCK_SIZE, live_ceiling, live_floor, live_mark, live_t

import atexit
import os
import weakref

LENGTH = <int>BODY_LENGTH
CHUNKED = <int>BODY_CHUNKED
CLOSE = <int>BODY_CLOSE

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

READ = <int>SL_READ
WRITE = <int>SL_WRITE

UNBOUNDED = INT64_MAX
BLOCK = <int>BLOCK_SIZE


class TlsError(Exception):
    """TLS refused: the text is the library's reason."""


_tls_library = ""


def load_tls(list candidates):
    """Bind libssl from the first of ``candidates`` (paths or sonames) that has what is needed; returns it.

    Raises OSError that names every candidate and what was wrong with it.
    """
    global _tls_library
    cdef const char *missing
    cdef bytes path
    if _tls_library:
        return _tls_library
    tried = []
    for candidate in candidates:
        path = os.fsencode(candidate)
        missing = sl_ssl_bind(path)
        if missing == NULL:
            _tls_library = candidate
            return candidate
        tried.append(f"{candidate}: {missing.decode()}")
    raise OSError("no usable libssl: " + ("; ".join(tried) or "no candidates"))


def tls_library():
    """The libssl in use, or '' before ``load_tls``."""
    return _tls_library


cdef object tls_reason():
    cdef const char *text = ossl.ERR_reason_error_string(ossl.ERR_get_error())
    return text.decode("utf-8", "replace") if text != NULL else "unknown TLS error"


@cython.final
cdef class TlsContext:
    """Settings shared by TLS channels; raises TlsError when a file cannot be used."""

    cdef SSL_CTX *context
    cdef bint verify

    def __cinit__(
        self,
        *,
        bint verify=True,
        ca_file=None,
        ca_path=None,
        cert_file=None,
        key_file=None,
        int min_version=0x0303,
    ):
        cdef bytes file_ = os.fsencode(ca_file) if ca_file is not None else b""
        cdef bytes folder = os.fsencode(ca_path) if ca_path is not None else b""
        cdef bytes certificate = os.fsencode(cert_file) if cert_file is not None else b""
        cdef bytes key = os.fsencode(key_file if key_file is not None else cert_file) if certificate else b""
        cdef const char *ca_file_at = NULL
        cdef const char *ca_path_at = NULL
        if ca_file is not None:
            ca_file_at = file_
        if ca_path is not None:
            ca_path_at = folder
        if not _tls_library:
            raise TlsError("no TLS library is loaded")
        ossl.ERR_clear_error()
        self.context = ossl.SSL_CTX_new(ossl.TLS_client_method())
        if self.context == NULL:
            raise TlsError(tls_reason())
        self.verify = verify
        ossl.SSL_CTX_ctrl(self.context, SL_SSL_MODE, SL_SSL_PARTIAL_WRITE_AND_MOVING_BUFFER, NULL)
        if ossl.SSL_CTX_ctrl(self.context, SL_SSL_MIN_PROTO, min_version, NULL) != 1:
            raise TlsError(f"this TLS library has no version {min_version:#06x}")
        ossl.SSL_CTX_set_alpn_protos(self.context, b"\x08http/1.1", 9)
        if verify:
            ossl.SSL_CTX_set_verify(self.context, SL_SSL_VERIFY_PEER, NULL)
            if ca_file is None and ca_path is None:
                if ossl.SSL_CTX_set_default_verify_paths(self.context) != 1:
                    raise TlsError(f"the system's certificates: {tls_reason()}")
            elif ossl.SSL_CTX_load_verify_locations(
                self.context,
                ca_file_at,
                ca_path_at,
            ) != 1:
                raise TlsError(f"the certificates in {ca_file or ca_path} cannot be used: {tls_reason()}")
        if certificate:
            sl_ssl_never_ask(self.context)
            if ossl.SSL_CTX_use_certificate_chain_file(self.context, certificate) != 1:
                raise TlsError(f"the certificate {cert_file} cannot be used: {tls_reason()}")
            if ossl.SSL_CTX_use_PrivateKey_file(self.context, key, SL_SSL_PEM) != 1:
                raise TlsError(f"the private key {key_file or cert_file} cannot be used: {tls_reason()}")
            if ossl.SSL_CTX_check_private_key(self.context) != 1:
                raise TlsError(f"the private key does not belong to the certificate {cert_file}")

    def __dealloc__(self):
        if self.context != NULL:
            ossl.SSL_CTX_free(self.context)


@cython.final
cdef class Channel:
    """A connected non-blocking socket, with TLS or without, from birth to death. Owns the descriptor."""

    cdef channel_t c
    cdef bint _lent
    cdef TlsContext context     # kept alive with the SSL object

    def __cinit__(self):
        memset(&self.c, 0, sizeof(channel_t))
        self.c.fd = -1
        self.c.body.over = True     # no body was announced

    def __init__(self, int fd):
        if self.c.fd >= 0:
            raise ValueError("a Channel is set up once")
        self.c.fd = fd
        self.c.wants = SL_READ

    def __dealloc__(self):
        self._shut()

    cdef void _shut(self) noexcept:
        if self.c.ssl != NULL:
            ossl.SSL_free(self.c.ssl)
            self.c.ssl = NULL
        if self.c.pending != NULL:
            free(self.c.pending)
            self.c.pending = NULL
        if self.c.fd >= 0:
            c_close(self.c.fd)      # not os.close, which lets other threads in while the number is still ours
            self.c.fd = -1

    @property
    def fd(self):
        return self.c.fd

    @property
    def closed(self):
        return self.c.fd < 0

    @property
    def lent(self):
        return self._lent

    @property
    def wants(self):
        return self.c.wants

    @property
    def body_left(self):
        """Bytes of the body not yet read; -1 if unknown, 0 when the body is over and the channel reusable."""
        if self.c.surplus or (self.c.body.over and self.c.pending != NULL):
            return -1
        if self.c.body.over:
            return 0
        return self.c.body.left

    @property
    def tls_version(self):
        if self.c.ssl == NULL:
            return ""
        return ossl.SSL_get_version(self.c.ssl).decode()

    cdef int _own(self) except -1:
        if self._lent:
            raise RuntimeError("the channel is lent to the engine")
        if self.c.fd < 0:
            raise OSError(9, "the channel is closed")
        return 0

    cdef object _fail(self, ssize_t code):
        if code == IO_TLS:
            return TlsError(self.c.message.decode("utf-8", "replace"))
        return OSError(self.c.os_error, os.strerror(self.c.os_error))

    def start_tls(self, TlsContext context not None, str host not None):
        """Put TLS on the connection; ``host`` is sent as SNI and must match the certificate. Then ``handshake``.

        Raises TlsError for a host that libssl would take for "any" (empty, or with a dot in front).
        """
        cdef bytes name = host.encode("idna") if not host.isascii() else host.encode()
        cdef bint is_address
        self._own()
        if self.c.ssl != NULL:
            raise TlsError("TLS is on already")
        if not name or name.startswith(b".") or b"\0" in name:
            raise TlsError(f"{host!r} cannot be a certificate's name")
        ossl.ERR_clear_error()
        self.c.ssl = ossl.SSL_new(context.context)
        if self.c.ssl == NULL or ossl.SSL_set_fd(self.c.ssl, self.c.fd) != 1:
            raise self._no_tls(tls_reason())
        self.context = context
        is_address = ossl.X509_VERIFY_PARAM_set1_ip_asc(ossl.SSL_get0_param(self.c.ssl), name) == 1
        ossl.ERR_clear_error()
        if not is_address:
            if ossl.SSL_ctrl(self.c.ssl, SL_SSL_SNI, 0, <void *><const char *>name) != 1:
                raise self._no_tls(f"{host!r} cannot be sent as a server's name: {tls_reason()}")
            if ossl.SSL_set1_host(self.c.ssl, name) != 1:
                raise self._no_tls(f"{host!r} cannot be a certificate's name: {tls_reason()}")

    cdef object _no_tls(self, reason):
        # No handshake may follow that would not check the name.
        ossl.SSL_free(self.c.ssl)
        self.c.ssl = NULL
        return TlsError(reason)

    def handshake(self):
        """One step of the handshake: False means wait for ``wants``. Raises TlsError, OSError."""
        cdef int result
        cdef ssize_t code
        self._own()
        if self.c.ssl == NULL:
            raise TlsError("there is no TLS on this channel: start_tls comes first")
        self._lent = True       # to the step below, which runs without the GIL
        with nogil:
            ossl.ERR_clear_error()
            sl_errno_clear()
            result = ossl.SSL_connect(self.c.ssl)
            code = 1 if result == 1 else channel_tls_result(&self.c, result)
        self._lent = False
        if code == 1:
            self.c.wants = SL_READ
            return True
        if code == IO_AGAIN:
            return False
        if code == IO_EOF:
            raise TlsError("the peer closed the connection during the handshake")
        raise self._fail(code)

    def send(self, data):
        """Bytes of ``data`` that were taken; -1 means wait for ``wants``. Raises TlsError, OSError."""
        cdef Py_buffer view
        cdef ssize_t n
        self._own()
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        if view.len == 0:
            PyBuffer_Release(&view)
            return 0
        n = channel_send(&self.c, view.buf, view.len)
        PyBuffer_Release(&view)
        if n == IO_EOF:
            raise BrokenPipeError(32, "the peer closed the connection")
        if n < IO_AGAIN:
            raise self._fail(n)
        return n

    def recv(self, Py_ssize_t size):
        """Up to ``size`` bytes, b'' at the end of the stream, None means wait for ``wants``."""
        cdef ssize_t n
        cdef bytes data
        self._own()
        if size <= 0:
            raise ValueError("size must be positive")
        data = PyBytes_FromStringAndSize(NULL, size)
        n = channel_recv(&self.c, PyBytes_AS_STRING(data), size)
        if n == IO_AGAIN:
            return None
        if n < IO_AGAIN:
            raise self._fail(n)
        return data[:n]

    def stale(self):
        """True if an idle channel cannot be used again: closed by the peer, or bytes came that nobody asked for."""
        cdef uint8_t byte
        if self._lent or self.c.fd < 0 or self.c.surplus or self.c.pending != NULL:
            return True
        if self.c.ssl == NULL:
            return c_recv(self.c.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 or self._refused()
        # Session tickets may be waiting, which only a read takes in.
        return channel_recv(&self.c, &byte, 1) != IO_AGAIN

    cdef bint _refused(self) noexcept:
        cdef uint8_t byte
        return channel_recv(&self.c, &byte, 1) != IO_AGAIN

    def begin_body(self, int framing, int64_t length, prefix=b""):
        """A head was read: ``prefix`` and then what the socket brings is a body (of ``length`` bytes if LENGTH)."""
        cdef Py_buffer view
        self._own()
        if framing not in (BODY_LENGTH, BODY_CHUNKED, BODY_CLOSE) or (framing == BODY_LENGTH and length < 0):
            raise ValueError("not a framing with its length")
        if self.c.pending != NULL:
            raise RuntimeError("the body before has not been read")
        PyObject_GetBuffer(prefix, &view, PyBUF_SIMPLE)
        try:
            body_begin(&self.c.body, framing, length)
            self.c.surplus = self.c.body.over and view.len > 0
            if view.len == 0 or self.c.surplus:
                return
            self.c.pending = <uint8_t *>malloc(view.len)
            if self.c.pending == NULL:
                raise MemoryError
            memcpy(self.c.pending, view.buf, view.len)
            self.c.pending_at = 0
            self.c.pending_size = view.len
        finally:
            PyBuffer_Release(&view)

    def close(self):
        """Close the socket; an idle TLS peer is told. Raises RuntimeError while the channel is lent."""
        if self._lent:
            raise RuntimeError("the channel is lent to the engine")
        if self.c.ssl != NULL and self.c.fd >= 0:
            ossl.ERR_clear_error()
            ossl.SSL_shutdown(self.c.ssl)
            ossl.ERR_clear_error()
        self._shut()


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
    cdef Channel channel
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
cdef class Engine:
    """The worker threads that move bytes. ``wakeup_fd`` is readable when ``drain`` has something."""

    cdef outbox_t outbox
    cdef budget_t budget
    cdef list workers           # of addresses of worker_t
    cdef dict running           # address of transfer_t -> Transfer
    cdef dict placed            # device -> index of its worker, for devices that are slow
    cdef int first
    cdef bint closed
    cdef bint begun
    cdef int process            # the threads are this one's; a forked child has none of them
    cdef object __weakref__

    def __cinit__(self):
        memset(&self.outbox, 0, sizeof(outbox_t))
        memset(&self.budget, 0, sizeof(budget_t))
        pthread_mutex_init(&self.outbox.lock, NULL)
        self.outbox.ends[0] = self.outbox.ends[1] = -1
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
        self.process = c_getpid()
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
        pthread_mutex_destroy(&self.outbox.lock)

    @property
    def wakeup_fd(self):
        return self.outbox.ends[0]

    def receive(
        self,
        Channel channel not None,
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

    cdef int _place(self, device) except -1:
        if device in self.placed:
            return self.placed[device]
        return len(self.running) % self.first

    def drain(self):
        """The transfers that have ended since the last call, with their channels given back."""
        cdef transfer_t *done
        cdef Transfer t
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
        return ended

    def close(self):
        """Cancel every transfer, flush what they hold, end the threads; returns the transfers that this ended.

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
