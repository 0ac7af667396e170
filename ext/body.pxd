# Owns: where a response body ends (RFC 9112 section 6) and the decoding of chunks, in place.
# Never: sockets or files.

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memmove

cdef enum framing_t:
    BODY_LENGTH = 0     # Content-Length
    BODY_CHUNKED = 1
    BODY_CLOSE = 2      # until the peer closes

cdef enum chunk_state:
    CHUNK_SIZE = 0      # hexadecimal digits
    CHUNK_EXTENSION = 1
    CHUNK_SIZE_LF = 2
    CHUNK_DATA = 3
    CHUNK_DATA_CR = 4
    CHUNK_DATA_LF = 5
    CHUNK_TRAILER = 6   # start of a trailer line
    CHUNK_TRAILER_LINE = 7
    CHUNK_TRAILER_LF = 8
    CHUNK_LAST_LF = 9
    CHUNK_DONE = 10     # this and what follows is final
    CHUNK_BAD = 11

cdef enum:
    CHUNK_DIGITS = 15           # a size of 16 digits could overflow
    CHUNK_OVERHEAD = 16384      # bytes of extensions and trailers that are put up with between two payload bytes

cdef struct body_t:
    int framing
    int64_t left        # LENGTH: bytes of body not yet read; otherwise -1
    int state
    int digits
    int overhead
    int64_t chunk_left
    bint over           # the body has ended

cdef inline void body_begin(body_t *self, int framing, int64_t length) noexcept nogil:
    self.framing = framing
    self.left = length if framing == BODY_LENGTH else -1
    self.state = CHUNK_SIZE
    self.digits = 0
    self.overhead = 0
    self.chunk_left = 0
    self.over = framing == BODY_LENGTH and length == 0

cdef inline int hex_value(uint8_t c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    c |= 0x20
    if c'a' <= c <= c'f':
        return c - c'a' + 10
    return -1

cdef inline int64_t chunk_decode(body_t *self, uint8_t *data, int64_t size, int64_t *used) noexcept nogil:
    """Strip chunk framing from ``data`` in place; returns payload bytes at its front, up to where it is not chunked
    coding any more (``state`` is CHUNK_BAD then).

    ``used`` is how much of the input belonged to this body: less than ``size`` only when it is over or bad.
    """
    cdef int64_t at = 0
    cdef int64_t out = 0
    cdef int64_t run
    cdef uint8_t c
    cdef int digit
    while at < size and self.state < CHUNK_DONE:
        if self.state == CHUNK_DATA:
            run = size - at
            if run > self.chunk_left:
                run = self.chunk_left
            if out != at:
                memmove(data + out, data + at, run)
            out += run
            at += run
            self.chunk_left -= run
            self.overhead = 0
            if self.chunk_left == 0:
                self.state = CHUNK_DATA_CR
            continue
        c = data[at]
        at += 1
        self.overhead += 1
        if self.overhead > CHUNK_OVERHEAD:
            self.state = CHUNK_BAD
        elif self.state == CHUNK_SIZE:
            digit = hex_value(c)
            if digit >= 0 and self.digits == CHUNK_DIGITS:
                self.state = CHUNK_BAD
            elif digit >= 0:
                self.digits += 1
                self.chunk_left = self.chunk_left * 16 + digit
            elif self.digits == 0:
                self.state = CHUNK_BAD
            elif c == c'\r':
                self.state = CHUNK_SIZE_LF
            elif c == c';' or c == c' ' or c == c'\t':
                self.state = CHUNK_EXTENSION
            else:
                self.state = CHUNK_BAD
        elif self.state == CHUNK_EXTENSION:
            if c == c'\r':
                self.state = CHUNK_SIZE_LF
            elif c == c'\n':
                self.state = CHUNK_BAD
        elif self.state == CHUNK_SIZE_LF:
            self.digits = 0
            if c != c'\n':
                self.state = CHUNK_BAD
            else:
                self.state = CHUNK_DATA if self.chunk_left else CHUNK_TRAILER
        elif self.state == CHUNK_DATA_CR:
            self.state = CHUNK_DATA_LF if c == c'\r' else CHUNK_BAD
        elif self.state == CHUNK_DATA_LF:
            self.state = CHUNK_SIZE if c == c'\n' else CHUNK_BAD
        elif self.state == CHUNK_TRAILER:
            if c == c'\n':
                self.state = CHUNK_BAD
            else:
                self.state = CHUNK_LAST_LF if c == c'\r' else CHUNK_TRAILER_LINE
        elif self.state == CHUNK_TRAILER_LINE:
            if c == c'\r':
                self.state = CHUNK_TRAILER_LF
        elif self.state == CHUNK_TRAILER_LF:
            self.state = CHUNK_TRAILER if c == c'\n' else CHUNK_BAD
        elif self.state == CHUNK_LAST_LF:
            self.state = CHUNK_DONE if c == c'\n' else CHUNK_BAD
    self.over = self.state == CHUNK_DONE
    used[0] = at
    return out
