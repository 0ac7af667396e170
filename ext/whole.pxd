# Owns: a small file that is made, written, dated and closed in one go, without the GIL.
# Never: overwrites, nor leaves behind what it could not finish.

from libc.stdint cimport int64_t

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
