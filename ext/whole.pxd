# Owns: small files that are made, written, dated and closed in one go each, and the few threads that do it: so a disk
# that is slow holds up neither Python nor a connection. Never: overwrites, nor leaves behind what it could not finish.

from libc.stdint cimport int64_t

from atomic cimport (
    pthread_cond_broadcast,
    pthread_cond_destroy,
    pthread_cond_init,
    pthread_cond_signal,
    pthread_cond_t,
    pthread_cond_wait,
    pthread_create,
    pthread_join,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_t,
    pthread_mutex_unlock,
    pthread_t,
)
from worker cimport outbox_t, outbox_tell, sl_block_signals

cdef extern from *:
    """
    #include <fcntl.h>
    #include <stdint.h>
    #include <sys/stat.h>
    #include <sys/types.h>
    #include <unistd.h>

    /* 0: done. -1: nothing was changed, because something lies at path or record, or the system refused a step. */
    static int sl_whole(const char *path, const char *record, const char *data, size_t size, int dated,
                        int64_t modified) {
        struct stat there;
        struct timespec times[2];
        size_t done = 0;
        int fd, failed = 0;
        if (lstat(record, &there) == 0)
            return -1;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0)
            return -1;
        while (done < size) {
            ssize_t n = write(fd, data + done, size - done);
            if (n <= 0) {
                failed = 1;
                break;
            }
            done += (size_t)n;
        }
        if (!failed && dated) {
            times[0].tv_sec = times[1].tv_sec = (time_t)modified;
            times[0].tv_nsec = times[1].tv_nsec = 0;
            (void)futimens(fd, times); /* a file system that will not have it has all the bytes all the same */
        }
        if (close(fd) != 0)
            failed = 1;
        if (failed)
            unlink(path);
        return failed ? -1 : 0;
    }
    """
    int sl_whole(
        const char *path, const char *record, const char *data, size_t size, int dated, int64_t modified
    ) noexcept nogil

cdef enum:
    PUT_THREADS = 32            # each may wait for a disk that is far away, and the next file may go to another one

cdef struct put_t:
    put_t *next
    const char *path
    const char *record
    const char *data
    size_t size
    int dated
    int64_t modified
    int failed

cdef struct puts_t:
    pthread_mutex_t lock
    pthread_cond_t work
    put_t *first                # not begun
    put_t *last
    put_t *done                 # for ``Engine.drain``
    int queued
    int idle                    # threads that wait
    int stopping                # go once nothing is queued
    int threads
    pthread_t thread[PUT_THREADS]
    outbox_t *outbox

cdef inline void *puts_main(void *argument) noexcept nogil:
    cdef puts_t *self = <puts_t *>argument
    cdef put_t *one
    sl_block_signals()
    pthread_mutex_lock(&self.lock)
    while True:
        while self.first == NULL and not self.stopping:
            self.idle += 1
            pthread_cond_wait(&self.work, &self.lock)
            self.idle -= 1
        one = self.first
        if one == NULL:
            break
        self.first = one.next
        self.queued -= 1
        pthread_mutex_unlock(&self.lock)
        one.failed = sl_whole(one.path, one.record, one.data, one.size, one.dated, one.modified)
        pthread_mutex_lock(&self.lock)
        one.next = self.done
        self.done = one
        pthread_mutex_unlock(&self.lock)
        outbox_tell(self.outbox)
        pthread_mutex_lock(&self.lock)
    pthread_mutex_unlock(&self.lock)
    return NULL

cdef inline void puts_open(puts_t *self, outbox_t *outbox) noexcept nogil:
    """``self`` is all zeros."""
    self.outbox = outbox
    pthread_mutex_init(&self.lock, NULL)
    pthread_cond_init(&self.work, NULL)

cdef inline bint puts_submit(puts_t *self, put_t *one) noexcept nogil:
    """Have it done; False if there is no thread that could. Always called from one thread at a time."""
    cdef bint busy
    pthread_mutex_lock(&self.lock)
    busy = self.queued >= self.idle
    pthread_mutex_unlock(&self.lock)
    if busy and self.threads < PUT_THREADS:
        if pthread_create(&self.thread[self.threads], NULL, puts_main, self) == 0:
            self.threads += 1
    if self.threads == 0:
        return False
    one.next = NULL
    pthread_mutex_lock(&self.lock)
    if self.first == NULL:
        self.first = one
    else:
        self.last.next = one
    self.last = one
    self.queued += 1
    pthread_mutex_unlock(&self.lock)
    pthread_cond_signal(&self.work)
    return True

cdef inline put_t *puts_done(puts_t *self) noexcept nogil:
    """Those that are through since the last call."""
    cdef put_t *done
    pthread_mutex_lock(&self.lock)
    done = self.done
    self.done = NULL
    pthread_mutex_unlock(&self.lock)
    return done

cdef inline void puts_stop(puts_t *self) noexcept nogil:
    """Do what is queued and end the threads."""
    cdef int i
    pthread_mutex_lock(&self.lock)
    self.stopping = 1
    pthread_mutex_unlock(&self.lock)
    pthread_cond_broadcast(&self.work)
    for i in range(self.threads):
        pthread_join(self.thread[i], NULL)
    self.threads = 0

cdef inline void puts_free(puts_t *self) noexcept nogil:
    """Its threads have ended, or are another process's."""
    pthread_cond_destroy(&self.work)
    pthread_mutex_destroy(&self.lock)
