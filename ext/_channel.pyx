# cython: language_level=3, cdivision=True, auto_pickle=False, autotestdict=False
# Owns: the Python-visible face of one connection: Channel, its TlsContext, and the libssl that both use.
# Never: threads, files, or the reading itself (channel.pxd), which the engine does while a Channel is lent to it.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, errno
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from body cimport BODY_CHUNKED, BODY_CLOSE, BODY_LENGTH, body_begin
from channel cimport (
    IO_AGAIN,
    IO_EOF,
    IO_TLS,
    MSG_DONTWAIT,
    MSG_PEEK,
    c_close,
    c_recv,
    channel_recv,
    channel_send,
    channel_t,
    channel_tls_result,
    sl_errno_clear,
)
from loop cimport SL_READ, SL_WRITE
from openssl cimport (
    SL_SSL_MIN_PROTO,
    SL_SSL_MODE,
    SL_SSL_PARTIAL_WRITE_AND_MOVING_BUFFER,
    SL_SSL_PEM,
    SL_SSL_SNI,
    SL_SSL_VERIFY_PEER,
    ossl,
    sl_ssl_bind,
    sl_ssl_never_ask,
)

import os

LENGTH = <int>BODY_LENGTH
CHUNKED = <int>BODY_CHUNKED
CLOSE = <int>BODY_CLOSE

READ = <int>SL_READ
WRITE = <int>SL_WRITE


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
        self.c.tls = &ossl
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

    def recv_into(self, buffer):
        """Bytes that were put at the beginning of ``buffer``; 0 at the end of the stream, -1 means wait for ``wants``.
        """
        cdef Py_buffer view
        cdef ssize_t n
        self._own()
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        if view.len == 0:
            PyBuffer_Release(&view)
            raise ValueError("no room to receive into")
        n = channel_recv(&self.c, view.buf, view.len)
        PyBuffer_Release(&view)
        if n < IO_AGAIN:
            raise self._fail(n)
        return n

    def stale(self):
        """True if an idle channel cannot be used again: closed by the peer, or bytes came that nobody asked for."""
        cdef uint8_t byte
        if self._lent or self.c.fd < 0 or self.c.surplus or self.c.pending != NULL:
            return True
        if self.c.ssl == NULL:
            return c_recv(self.c.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 or errno != EAGAIN
        # Session tickets may be waiting, which only a read takes in.
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
