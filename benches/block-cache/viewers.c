/*
 * viewers: many slow viewers of one object, each on a connection of its own.
 *
 *   viewers PORT PATH VIEWERS BYTES_PER_SECOND SIZE SEED SECONDS
 *
 * Each asks for "bytes=N-" of PATH, an object of SIZE bytes, N being a pseudo-random whole
 * MiB chosen by SEED that leaves enough for SECONDS, and takes BYTES_PER_SECOND of it: the
 * bytes are dropped in the kernel (MSG_TRUNC). A viewer that cannot connect, gets anything
 * but a 206, or whose connection ends counts as an error and does not come back.
 * Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_MAX = 4096,
    SINK = 1 << 20,
    TICK_NS = 20 * 1000 * 1000,
};

struct viewer {
    int fd;         /* -1: an error ended it */
    int in_body;
    double sent_at, first_byte, taken;
    size_t have;
    char head[HEAD_MAX + 1];
};

static char sink[SINK], first_fault[128];
static long faults;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fault(struct viewer *v, const char *what) {
    if (!faults++) snprintf(first_fault, sizeof first_fault, "%s", what);
    if (v->fd >= 0) close(v->fd);
    v->fd = -1;
}

static void begin(struct viewer *v, int port, const char *path, unsigned long long first) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 5};
    char out[512];

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (v->fd < 0) return fault(v, "no socket: raise ulimit -n");
    setsockopt(v->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(v->fd, (struct sockaddr *)&to, sizeof to) < 0) return fault(v, "connect failed");
    int n = snprintf(out, sizeof out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nRange: bytes=%llu-\r\n\r\n", path,
                     port, first);
    v->sent_at = now();
    if (send(v->fd, out, n, MSG_NOSIGNAL) != n) fault(v, "send failed");
}

/* Take what is due at this moment, as far as it is there. */
static void take(struct viewer *v, double rate, double time) {
    if (!v->in_body) {
        ssize_t n = recv(v->fd, v->head + v->have, HEAD_MAX - v->have, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return fault(v, "connection ended before the answer's head");
        v->have += n;
        v->head[v->have] = 0;
        char *end = strstr(v->head, "\r\n\r\n");
        if (!end && v->have == HEAD_MAX) return fault(v, "head too long");
        if (!end) return;
        if (strncmp(v->head, "HTTP/1.1 206", 12)) return fault(v, "not a 206");
        v->first_byte = time - v->sent_at;
        v->in_body = 1;
        v->taken = v->have - (end + 4 - v->head);
    }
    double due = (time - v->sent_at) * rate - v->taken;
    if (due < 1) return;
    ssize_t n = recv(v->fd, sink, due < SINK ? (size_t)due : SINK, MSG_TRUNC | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return fault(v, "connection ended inside the body");
    v->taken += n;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: viewers PORT PATH VIEWERS BYTES_PER_SECOND SIZE SEED SECONDS\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[3]);
    double rate = atof(argv[4]), seconds = atof(argv[7]);
    unsigned long long size = strtoull(argv[5], NULL, 10), spare = (unsigned long long)(rate * seconds * 2);
    uint64_t seed = strtoull(argv[6], NULL, 10);
    if (count < 1 || rate <= 0 || seconds <= 0 || spare + (1 << 20) > size) {
        fprintf(stderr, "viewers: bad arguments\n");
        return 2;
    }
    struct viewer *viewers = calloc(count, sizeof *viewers);
    double *ttfb = calloc(count, sizeof *ttfb);
    if (!viewers || !ttfb) return 2;

    double start = now(), last = start;
    for (int i = 0; i < count; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        begin(&viewers[i], port, argv[2], ((seed >> 33) % ((size - spare) >> 20)) << 20);
    }
    while ((last = now()) - start < seconds) {
        for (int i = 0; i < count; i++)
            if (viewers[i].fd >= 0) take(&viewers[i], rate, now());
        double used = now() - last;
        struct timespec rest = {.tv_nsec = TICK_NS - (long)(used * 1e9)};
        if (rest.tv_nsec > 0) nanosleep(&rest, NULL);
    }

    double taken = 0, wanted = 0, end = now();
    long begun = 0;
    for (int i = 0; i < count; i++) {
        struct viewer *v = &viewers[i];
        wanted += (end - v->sent_at) * rate;
        taken += v->taken;
        if (v->in_body) ttfb[begun++] = v->first_byte;
        if (v->fd >= 0 && !v->in_body) fault(v, "no answer until the end");
    }
    qsort(ttfb, begun, sizeof *ttfb, ascending);
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("{\"bytes\": %.0f, \"delivered\": %.4f, \"ttfb_p50_ms\": %.3f, \"ttfb_p99_ms\": %.3f, \"errors\": %ld, "
           "\"first_error\": \"%s\", \"client_cpu_s\": %.3f}\n",
           taken, taken / wanted, begun ? ttfb[begun / 2] * 1e3 : 0, begun ? ttfb[begun * 99 / 100] * 1e3 : 0, faults,
           first_fault, cpu);
    return 0;
}
