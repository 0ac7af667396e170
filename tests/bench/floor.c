/* The floor: what the same receive loop costs in plain C, with nothing around it.
   N connections, one range request each; epoll, recv into a buffer, pwrite when it is full. Linux only.

   floor PORT PATH LENGTH CONNECTIONS OUT_FILE
   prints the wall, user and system seconds of the loop as one line of JSON. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef ROOM
#define ROOM (512 << 10) /* of a buffer and of a pwrite: what the engine begins with; -DROOM to try others */
#endif
enum { TURN = 4 << 20, HEAD = 16384 }; /* a connection is read until it has no more, or for a turn, as the engine does */

typedef struct {
    int fd;
    char *buffer;
    size_t filled;
    long long offset; /* of the file, where the buffer goes */
    long long end;
} connection_t;

static void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void flush(connection_t *c, int file) {
    size_t done = 0;
    while (done < c->filled) {
        ssize_t n = pwrite(file, c->buffer + done, c->filled - done, c->offset + (long long)done);
        if (n < 0) die("pwrite");
        done += (size_t)n;
    }
    c->offset += (long long)c->filled;
    c->filled = 0;
}

static void open_connection(connection_t *c, int port, const char *path, long long start, long long end) {
    char head[HEAD];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int length = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nRange: bytes=%lld-%lld\r\n\r\n",
                          path, port, start, end - 1);
    if (send(c->fd, head, (size_t)length, 0) != length) die("send");
    size_t got = 0;
    char *body;
    do { /* the head comes in one or two pieces; what follows it is body */
        ssize_t n = recv(c->fd, head + got, sizeof head - 1 - got, 0);
        if (n <= 0) die("the answer's head");
        got += (size_t)n;
        head[got] = 0;
        body = strstr(head, "\r\n\r\n");
    } while (!body);
    if (strncmp(head, "HTTP/1.1 206", 12) != 0) {
        fprintf(stderr, "floor: the server answered %.40s\n", head);
        exit(1);
    }
    c->offset = start;
    c->end = end;
    c->buffer = malloc(ROOM);
    if (!c->buffer) die("malloc");
    c->filled = got - (size_t)(body + 4 - head);
    memcpy(c->buffer, body + 4, c->filled);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: floor PORT PATH LENGTH CONNECTIONS OUT_FILE\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[4]);
    long long length = atoll(argv[3]);
    double begun = now();
    int file = open(argv[5], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) die(argv[5]);
    if (posix_fallocate(file, 0, length) != 0) die("posix_fallocate");
    connection_t *all = calloc((size_t)count, sizeof *all);
    int poll = epoll_create1(EPOLL_CLOEXEC), left = count;
    if (!all || poll < 0) die("start");
    for (int i = 0; i < count; i++) {
        open_connection(&all[i], port, argv[2], length * i / count, length * (i + 1) / count);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event) < 0) die("epoll_ctl");
    }
    while (left > 0) {
        struct epoll_event events[64];
        int ready = epoll_wait(poll, events, 64, 30000);
        if (ready == 0) errno = ETIMEDOUT;
        if (ready <= 0) die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            connection_t *c = events[i].data.ptr;
            long long turn = TURN;
            int over = 0;
            while (turn > 0 && !over) {
                if (c->filled == ROOM) flush(c, file);
                ssize_t n = recv(c->fd, c->buffer + c->filled, ROOM - c->filled, 0);
                if (n < 0 && errno == EAGAIN) break;
                if (n <= 0) die("recv");
                c->filled += (size_t)n;
                turn -= n;
                over = c->offset + (long long)c->filled >= c->end;
            }
            if (over) {
                flush(c, file);
                close(c->fd);
                left--;
            }
        }
    }
    if (close(file) < 0) die("close");
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"wall\": %.6f, \"user\": %.6f, \"sys\": %.6f}\n", now() - begun,
           (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
    return 0;
}
