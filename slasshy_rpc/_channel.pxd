# Owns: what of Channel the engine may touch while it is lent. Never: a copy of what _channel.pyx does.

from channel cimport channel_t
from openssl cimport SSL_CTX


cdef class TlsContext:
    cdef SSL_CTX *context
    cdef bint verify


cdef class Channel:
    cdef channel_t c
    cdef bint _lent
    cdef TlsContext context     # kept alive with the SSL object

    cdef void _shut(self) noexcept
    cdef int _own(self) except -1
    cdef object _fail(self, ssize_t code)
    cdef object _no_tls(self, reason)
