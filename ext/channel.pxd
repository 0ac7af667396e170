# Owns: reading and writing one connected socket, with TLS or without, and the bytes that were read past the head.
# Never: Python objects. A channel is used by one thread at a time: Python's, or the engine's while it is lent.

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memcpy, strcmp, strncpy

from body cimport body_t
from loop cimport SL_READ, SL_WRITE
from openssl cimport (
    SL_SSL_SYSCALL,
    SL_SSL_WANT_READ,
    SL_SSL_WANT_WRITE,
    SL_SSL_ZERO_RETURN,
    SSL,
    ossl_t,
)

cdef extern from *:
    """
    #include <sys/socket.h>
    #include <unistd.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0      /* macOS; Python ignores SIGPIPE for the whole process */
    #endif
    """
    ssize_t c_recv "recv"(int fd, void *data, size_t size, int flags) noexcept nogil
    ssize_t c_send "send"(int fd, const void *data, size_t size, int flags) noexcept nogil
    int c_close "close"(int fd) noexcept nogil
    int c_getpid "getpid"() noexcept nogil
    int MSG_NOSIGNAL
    int MSG_PEEK
    int MSG_DONTWAIT

cdef extern from *:
    """
    #include <errno.h>
    static inline void sl_errno_clear(void) { errno = 0; }
    """
    void sl_errno_clear() noexcept nogil

cdef enum:
    IO_EOF = 0
    IO_AGAIN = -1       # wait for ``wants``
    IO_SOCKET = -2      # ``os_error`` tells
    IO_TLS = -3         # ``message`` tells

cdef struct channel_t:
    int fd
    SSL *ssl            # NULL: plain
    ossl_t *tls         # libssl, where there is TLS
    int wants           # SL_READ or SL_WRITE, after IO_AGAIN
    int os_error
    char message[160]
    uint8_t *pending    # bytes read past the head
    int64_t pending_at
    int64_t pending_size
    body_t body
    bint surplus        # bytes of the stream were thrown away, or more came than the body has: never reuse it

cdef inline void channel_blame(channel_t *self, const char *text) noexcept nogil:
    strncpy(self.message, text, 159)
    self.message[159] = 0

cdef inline ssize_t channel_tls_result(channel_t *self, int result) noexcept nogil:
    """What a failed SSL call means, as one of the IO codes."""
    cdef int error = errno
    cdef int kind = self.tls.SSL_get_error(self.ssl, result)
    cdef const char *text
    cdef long verified
    if kind == SL_SSL_WANT_READ:
        self.wants = SL_READ
        return IO_AGAIN
    if kind == SL_SSL_WANT_WRITE:
        self.wants = SL_WRITE
        return IO_AGAIN
    if kind == SL_SSL_ZERO_RETURN:
        return IO_EOF
    if kind == SL_SSL_SYSCALL:
        if error:
            self.os_error = error
            return IO_SOCKET
        channel_blame(self, b"the peer closed the connection without a TLS close notification")
        return IO_TLS
    text = self.tls.ERR_reason_error_string(self.tls.ERR_get_error())
    if text == NULL:
        text = b"unknown TLS error"
    # Only then is the certificate to blame: without verification the result is kept, but nothing follows from it.
    if strcmp(text, b"certificate verify failed") == 0:
        verified = self.tls.SSL_get_verify_result(self.ssl)
        if verified:
            text = self.tls.X509_verify_cert_error_string(verified)
    channel_blame(self, text)
    return IO_TLS

cdef inline ssize_t channel_recv(channel_t *self, void *data, size_t size) noexcept nogil:
    """Bytes read into ``data``, or an IO code. Bytes that were read past the head come first."""
    cdef ssize_t n
    cdef size_t got
    if self.pending != NULL:
        n = self.pending_size - self.pending_at
        if <size_t>n > size:
            n = size
        memcpy(data, self.pending + self.pending_at, n)
        self.pending_at += n
        if self.pending_at == self.pending_size:
            free(self.pending)
            self.pending = NULL
        return n
    if self.ssl == NULL:
        while True:
            n = c_recv(self.fd, data, size, MSG_DONTWAIT)
            if n >= 0:
                return n
            if errno == EINTR:
                continue
            if errno == EAGAIN:
                self.wants = SL_READ
                return IO_AGAIN
            self.os_error = errno
            return IO_SOCKET
    self.tls.ERR_clear_error()
    got = 0
    sl_errno_clear()
    if self.tls.SSL_read_ex(self.ssl, data, size, &got) == 1:
        return got
    return channel_tls_result(self, 0)

cdef inline ssize_t channel_send(channel_t *self, const void *data, size_t size) noexcept nogil:
    """Bytes of ``data`` that were taken, or an IO code."""
    cdef ssize_t n
    cdef size_t sent
    if self.ssl == NULL:
        while True:
            n = c_send(self.fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT)
            if n >= 0:
                return n
            if errno == EINTR:
                continue
            if errno == EAGAIN:
                self.wants = SL_WRITE
                return IO_AGAIN
            self.os_error = errno
            return IO_SOCKET
    self.tls.ERR_clear_error()
    sent = 0
    sl_errno_clear()
    if self.tls.SSL_write_ex(self.ssl, data, size, &sent) == 1:
        return sent
    return channel_tls_result(self, 0)
