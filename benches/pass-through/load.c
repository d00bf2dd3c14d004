/*
 * load: a cheap HTTP/1.1 load client for the pass-through benchmark.
 *
 *   load PORT PATH CONNECTIONS REQUESTS SIZE MODE SEED SECONDS
 *
 * Sends REQUESTS GETs for PATH, an object of SIZE bytes, to 127.0.0.1:PORT over
 * CONNECTIONS keep-alive connections. MODE is "whole", "probe" (bytes=0-1) or a
 * number N: ranges of N bytes at pseudo-random multiples of N, chosen by SEED.
 * Status, Content-Length, Content-Range and the number of body bytes are checked;
 * the body itself is dropped in the kernel (MSG_TRUNC), never copied.
 * Prints one line of JSON. Stops by itself after SECONDS or 20 faults.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_MAX = 4096,
    SINK = 1 << 20,
    /* Whole objects are read in batches of this size. Else the one reader sleeps and is
     * woken for every 64 KiB; on loopback the sender pays for that, and the figures swing
     * twice as much. A network card's receiver would cost the sender nothing. */
    BATCH = 256 << 10,
    MAX_FAULTS = 20,
};

struct conn {
    int fd;
    int in_body;
    int low;              /* low water mark of the socket */
    long served;          /* answers completed on this connection */
    uint64_t first, want; /* what the current request asks for */
    uint64_t left;        /* body bytes still to come */
    double sent_at, first_byte, first_body; /* the latter two: seconds after sent_at */
    size_t have; /* bytes of head received */
    char head[HEAD_MAX + 1];
};

static int port, epoll_fd, whole, probe;
static const char *path;
static uint64_t size, range_len, seed, bytes;
static long requests, issued, done, faults, reconnects;
static int idle; /* connections with nothing more to do */
static char first_fault[256];
static double *ttfb, *first_body; /* to the first byte of the head, and of the body */
static char sink[SINK];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(2);
}

/* How many bytes must have arrived before the connection counts as readable. */
static void low_water(struct conn *c, int n) {
    c->low = n;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof n);
}

static void connect_to_server(struct conn *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 5};
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0) die("epoll_ctl");
    c->served = 0;
    c->low = 1;
}

static void reconnect(struct conn *c) {
    close(c->fd);
    connect_to_server(c);
}

static int send_request(struct conn *c) {
    char out[1024];
    int n;

    if (whole)
        n = snprintf(out, sizeof out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", path, port);
    else
        n = snprintf(out, sizeof out,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nRange: bytes=%llu-%llu\r\n\r\n", path, port,
                     (unsigned long long)c->first, (unsigned long long)(c->first + c->want - 1));
    c->have = 0;
    c->in_body = 0;
    c->sent_at = now();
    return send(c->fd, out, n, MSG_NOSIGNAL | MSG_DONTWAIT) == n;
}

static void next_request(struct conn *c) {
    if (issued == requests) {
        idle++;
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
        return;
    }
    issued++;
    c->first = 0;
    c->want = whole ? size : range_len;
    if (!whole && !probe) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        c->first = (seed >> 33) % (size / range_len) * range_len;
    }
    if (!send_request(c)) {
        /* The server closed an idle connection: once more on a new one. */
        reconnects++;
        reconnect(c);
        if (!send_request(c)) die("send");
    }
}

static void fault(struct conn *c, const char *what) {
    if (!faults++)
        snprintf(first_fault, sizeof first_fault, "%s (asked for %llu bytes at %llu)", what,
                 (unsigned long long)c->want, (unsigned long long)c->first);
    if (faults >= MAX_FAULTS) return;
    reconnect(c);
    next_request(c);
}

static const char *header(const char *head, const char *name) {
    const char *at = strcasestr(head, name);
    if (!at) return NULL;
    at += strlen(name);
    return at + strspn(at, " \t");
}

/* NULL when the answer's head is what was asked for, else what is wrong. */
static const char *check_head(const struct conn *c) {
    const char *length, *range;
    char want[80];

    if (strncmp(c->head, "HTTP/1.1 ", 9)) return "not an HTTP/1.1 answer";
    if (atoi(c->head + 9) != (whole ? 200 : 206)) return "wrong status";
    length = header(c->head, "\r\nContent-Length:");
    if (!length) return "no Content-Length";
    if (strtoull(length, NULL, 10) != c->want) return "wrong Content-Length";
    if (whole) return NULL;
    range = header(c->head, "\r\nContent-Range:");
    snprintf(want, sizeof want, "bytes %llu-%llu/%llu\r\n", (unsigned long long)c->first,
             (unsigned long long)(c->first + c->want - 1), (unsigned long long)size);
    return range && !strncmp(range, want, strlen(want)) ? NULL : "wrong Content-Range";
}

static void on_readable(struct conn *c) {
    if (!c->in_body) {
        ssize_t n = recv(c->fd, c->head + c->have, HEAD_MAX - c->have, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0 && c->have == 0 && c->served > 0) {
            reconnects++;
            reconnect(c);
            if (!send_request(c)) die("send");
            return;
        }
        if (n <= 0) return fault(c, "connection ended before the answer's head");
        if (c->have == 0) c->first_byte = now() - c->sent_at;
        c->have += n;
        c->head[c->have] = 0;
        char *end = strstr(c->head, "\r\n\r\n");
        if (!end && c->have == HEAD_MAX) return fault(c, "head too long");
        if (!end) return;
        size_t body = c->have - (end + 4 - c->head);
        end[2] = 0; /* so that no header is looked for in the body */
        const char *wrong = check_head(c);
        if (wrong) return fault(c, wrong);
        if (body > c->want) return fault(c, "more bytes than promised");
        c->left = c->want - body;
        c->in_body = 1;
        if (body) c->first_body = now() - c->sent_at;
    }
    if (c->left) {
        ssize_t n = recv(c->fd, sink, c->left < SINK ? c->left : SINK, MSG_TRUNC | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return fault(c, "connection ended inside the body");
        if (c->left == c->want) c->first_body = now() - c->sent_at;
        c->left -= n;
        /* Only now, so that the first bytes of a body are not waited for in a batch. */
        if (whole && c->low == 1 && c->left >= BATCH) low_water(c, BATCH);
        if (c->low > 1 && c->left < BATCH) low_water(c, 1);
    }
    if (!c->left) {
        bytes += c->want;
        c->served++;
        first_body[done] = c->first_body;
        ttfb[done++] = c->first_byte;
        next_request(c);
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: load PORT PATH CONNECTIONS REQUESTS SIZE MODE SEED SECONDS\n");
        return 2;
    }
    port = atoi(argv[1]);
    path = argv[2];
    int connections = atoi(argv[3]);
    requests = atol(argv[4]);
    size = strtoull(argv[5], NULL, 10);
    whole = !strcmp(argv[6], "whole");
    probe = !strcmp(argv[6], "probe");
    range_len = probe ? 2 : strtoull(argv[6], NULL, 10);
    seed = strtoull(argv[7], NULL, 10);
    double limit = atof(argv[8]);
    if (connections < 1 || requests < 1 || (!whole && (range_len < 1 || range_len > size))) {
        fprintf(stderr, "load: bad arguments\n");
        return 2;
    }

    struct conn *conns = calloc(connections, sizeof *conns);
    ttfb = calloc(requests, sizeof *ttfb);
    first_body = calloc(requests, sizeof *first_body);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!conns || !ttfb || !first_body || epoll_fd < 0) die("setup");
    for (int i = 0; i < connections; i++) connect_to_server(&conns[i]);

    double start = now();
    for (int i = 0; i < connections; i++) next_request(&conns[i]);
    int timed_out = 0;
    while (idle < connections && faults < MAX_FAULTS) {
        struct epoll_event ev[64];
        int n = epoll_wait(epoll_fd, ev, 64, 100);
        for (int i = 0; i < n && faults < MAX_FAULTS; i++) on_readable(ev[i].data.ptr);
        if (now() - start > limit && idle < connections) {
            timed_out = 1;
            break;
        }
    }
    double elapsed = now() - start;

    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    qsort(ttfb, done, sizeof *ttfb, ascending);
    qsort(first_body, done, sizeof *first_body, ascending);
    printf("{\"requests\": %ld, \"bytes\": %llu, \"elapsed_s\": %.6f, \"ttfb_p50_ms\": %.4f, \"ttfb_p99_ms\": %.4f, "
           "\"first_body_p50_ms\": %.4f, \"errors\": %ld, \"first_error\": \"%s\", \"reconnects\": %ld, \"timed_out\": %s, \"client_cpu_s\": %.3f}\n",
           done, (unsigned long long)bytes, elapsed, done ? ttfb[done / 2] * 1e3 : 0,
           done ? ttfb[done * 99 / 100] * 1e3 : 0, done ? first_body[done / 2] * 1e3 : 0, faults, first_fault, reconnects, timed_out ? "true" : "false", cpu);
    return 0;
}
