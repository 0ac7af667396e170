# Owns: waiting for many descriptors at once, and waking a thread that waits. epoll and eventfd on Linux; kqueue and
# a pipe on macOS and the BSDs (also built on Linux with -DSLASSHY_KQUEUE against libkqueue). Never: sockets' bytes.
#
# Readiness is level-triggered: a descriptor that still has something is reported again by the next wait.

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <stdint.h>
    #include <unistd.h>

    enum { SL_READ = 1, SL_WRITE = 2 };

    #if defined(__linux__) && !defined(SLASSHY_KQUEUE)
    #include <sys/epoll.h>
    #include <sys/eventfd.h>

    static int sl_poll_open(void) { return epoll_create1(EPOLL_CLOEXEC); }

    static int sl_poll_set(int poll, int fd, void *tag, int before, int after) {
        struct epoll_event event = {0};
        event.events = ((after & SL_READ) ? EPOLLIN | EPOLLRDHUP : 0) | ((after & SL_WRITE) ? EPOLLOUT : 0);
        event.data.ptr = tag;
        if (before == after) return 0;
        if (!after) return epoll_ctl(poll, EPOLL_CTL_DEL, fd, &event);
        return epoll_ctl(poll, before ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    }

    static int sl_poll_wait(int poll, void **tags, int room, int milliseconds) {
        struct epoll_event events[64];
        int i, n = epoll_wait(poll, events, room < 64 ? room : 64, milliseconds);
        for (i = 0; i < n; i++) tags[i] = events[i].data.ptr;
        return n;
    }

    static int sl_wake_open(int ends[2]) {
        ends[0] = ends[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        return ends[0] < 0 ? -1 : 0;
    }
    #else
    #include <sys/types.h>
    #include <sys/event.h>
    #include <sys/time.h>

    static int sl_poll_open(void) { return kqueue(); }

    static int sl_poll_set(int poll, int fd, void *tag, int before, int after) {
        struct kevent change;
        int gone = before & ~after, fresh = after & ~before;
        if (gone & SL_READ) {
            EV_SET(&change, fd, EVFILT_READ, EV_DELETE, 0, 0, tag);
            kevent(poll, &change, 1, 0, 0, 0);
        }
        if (gone & SL_WRITE) {
            EV_SET(&change, fd, EVFILT_WRITE, EV_DELETE, 0, 0, tag);
            kevent(poll, &change, 1, 0, 0, 0);
        }
        if (fresh & SL_READ) {
            EV_SET(&change, fd, EVFILT_READ, EV_ADD, 0, 0, tag);
            if (kevent(poll, &change, 1, 0, 0, 0) < 0) return -1;
        }
        if (fresh & SL_WRITE) {
            EV_SET(&change, fd, EVFILT_WRITE, EV_ADD, 0, 0, tag);
            if (kevent(poll, &change, 1, 0, 0, 0) < 0) return -1;
        }
        return 0;
    }

    static int sl_poll_wait(int poll, void **tags, int room, int milliseconds) {
        struct kevent events[64];
        struct timespec limit = {milliseconds / 1000, (milliseconds % 1000) * 1000000L};
        int i, n = kevent(poll, 0, 0, events, room < 64 ? room : 64, milliseconds < 0 ? 0 : &limit);
        for (i = 0; i < n; i++) tags[i] = (void *)events[i].udata;
        return n;
    }

    static int sl_wake_open(int ends[2]) {
        int i;
        if (pipe(ends)) return -1;
        for (i = 0; i < 2; i++) {
            fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
            fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        }
        return 0;
    }
    #endif

    static void sl_wake_send(int fd) {
        uint64_t one = 1;
        ssize_t n;
        do n = write(fd, &one, sizeof one); while (n < 0 && errno == EINTR);  /* EAGAIN: it is awake already */
    }

    static void sl_wake_clear(int fd) {
        uint64_t buffer[16];
        while (read(fd, buffer, sizeof buffer) > 0) {}
    }

    static void sl_wake_close(int ends[2]) {
        if (ends[0] >= 0) close(ends[0]);
        if (ends[1] >= 0 && ends[1] != ends[0]) close(ends[1]);
    }
    """
    enum:
        SL_READ
        SL_WRITE
    int sl_poll_open() noexcept nogil
    int sl_poll_set(int poll, int fd, void *tag, int before, int after) noexcept nogil
    int sl_poll_wait(int poll, void **tags, int room, int milliseconds) noexcept nogil
    int sl_wake_open(int *ends) noexcept nogil
    void sl_wake_send(int fd) noexcept nogil
    void sl_wake_clear(int fd) noexcept nogil
    void sl_wake_close(int *ends) noexcept nogil
