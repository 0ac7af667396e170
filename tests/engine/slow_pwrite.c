/* Preloaded: writes to the device SLOW_DEVICE take SLOW_MILLISECONDS each, as on a disk that is far away.
   Owns: that delay. Never: what is written. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void wait_for(int fd) {
    const char *device = getenv("SLOW_DEVICE"), *pause = getenv("SLOW_MILLISECONDS");
    struct stat status;
    if (device && pause && !fstat(fd, &status) && status.st_dev == strtoull(device, 0, 10)) {
        struct timespec wait = {atoi(pause) / 1000, atoi(pause) % 1000 * 1000000L};
        nanosleep(&wait, 0);
    }
}

static ssize_t slow(const char *name, int fd, const void *data, size_t size, off_t offset) {
    ssize_t (*real)(int, const void *, size_t, off_t);
    *(void **)&real = dlsym(RTLD_NEXT, name);
    wait_for(fd);
    return real(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t);
    *(void **)&real = dlsym(RTLD_NEXT, "write");
    wait_for(fd);
    return real(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return slow("pwrite", fd, data, size, offset); }

/* Its name where Python is built for large files. */
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return slow("pwrite64", fd, data, size, offset); }
