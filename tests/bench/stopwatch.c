/* Runs one command and writes what it and all its descendants cost, as one line of JSON.
   A process of its own because a fork from Python would lend the child Python's peak memory.

   stopwatch RESULT_FILE TIMEOUT_SECONDS COMMAND [ARGUMENT ...] */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static volatile pid_t child;
static volatile sig_atomic_t timed_out;

static void on_signal(int signal_number) { /* the time is over, or the bench is being stopped */
    timed_out = signal_number == SIGALRM;
    if (child > 0) kill(-child, SIGKILL);
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static double seconds(struct timeval value) { return (double)value.tv_sec + (double)value.tv_usec / 1e6; }

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: stopwatch RESULT_FILE TIMEOUT_SECONDS COMMAND [ARGUMENT ...]\n");
        return 2;
    }
#ifdef __linux__
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* descendants whose parents ended are waited for here, and so counted */
#endif
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    double begun = now();
    pid_t pid = fork();
    if (pid < 0) {
        perror("stopwatch: fork");
        return 2;
    }
    if (pid == 0) {
        setpgid(0, 0); /* handlers go with exec */
        execvp(argv[3], argv + 3);
        fprintf(stderr, "stopwatch: cannot run %s: %s\n", argv[3], strerror(errno));
        _exit(127);
    }
    setpgid(pid, pid);
    child = pid;
    alarm((unsigned)atoi(argv[2]));

    int exit_code = -1;
    double wall = 0;
    for (;;) {
        int status;
        pid_t ended = wait(&status);
        if (ended < 0 && errno == EINTR) continue;
        if (ended < 0) break; /* ECHILD: all of them have ended */
        if (ended == pid) {
            wall = now() - begun;
            exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    long peak = usage.ru_maxrss;
#ifdef __APPLE__
    peak /= 1024; /* bytes there, KiB elsewhere */
#endif
    FILE *result = fopen(argv[1], "w");
    if (!result) {
        perror("stopwatch: the result file");
        return 2;
    }
    fprintf(result, "{\"wall\": %.6f, \"user\": %.6f, \"sys\": %.6f, \"peak_kib\": %ld, \"exit\": %d, \"timed_out\": %s}\n",
            wall, seconds(usage.ru_utime), seconds(usage.ru_stime), peak, exit_code, timed_out ? "true" : "false");
    return fclose(result) == 0 ? 0 : 2;
}
