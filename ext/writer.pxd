# Owns: the way from a buffer to the file: pwrite in slices, and the live map of blocks that are on disk.
# Never: sockets. Bytes are marked only after their pwrite has succeeded.

from libc.errno cimport EINTR, ENOSPC, errno
from libc.stdint cimport int64_t, uint8_t

from atomic cimport at_load, at_or, at_store

cdef extern from "<unistd.h>":
    ssize_t c_pwrite "pwrite"(int fd, const void *data, size_t size, int64_t offset) noexcept nogil

cdef enum:
    # One pwrite. Larger ones were up to five times dearer where a host reclaims the memory of its guests, and no
    # better elsewhere.
    SLICE = 512 * 1024
    BLOCK_SIZE = 16384          # the grain of the control file's in-flight pieces (aria2's block length)

cdef struct live_t:
    uint8_t *bits               # high bit first
    int64_t blocks
    int64_t length

cdef inline void live_mark(live_t *self, int64_t first, int64_t after) noexcept nogil:
    cdef int64_t block
    for block in range(first, after):
        at_or(self.bits + (block >> 3), <uint8_t>(0x80 >> (block & 7)))

cdef inline int64_t live_floor(live_t *self, int64_t position) noexcept nogil:
    """Blocks that end at or before ``position``; the short last one counts when the file's end is reached."""
    return self.blocks if position >= self.length else position // BLOCK_SIZE

cdef inline int64_t live_ceiling(int64_t position) noexcept nogil:
    return (position + BLOCK_SIZE - 1) // BLOCK_SIZE

cdef inline int write_all(int fd, const uint8_t *data, int64_t size, int64_t offset, int64_t *written) noexcept nogil:
    """pwrite everything in slices; returns 0 or the error number. ``written`` grows with each slice."""
    cdef ssize_t n
    cdef int64_t slice_
    while written[0] < size:
        slice_ = size - written[0]
        if slice_ > SLICE:
            slice_ = SLICE
        n = c_pwrite(fd, data + written[0], slice_, offset + written[0])
        if n < 0:
            if errno == EINTR:
                continue
            return errno
        if n == 0:
            return ENOSPC
        written[0] += n
    return 0
