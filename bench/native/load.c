// A load for measurements: CONNS connections, each sends its next request when the answer to the last one is whole.
//   load PORT CONNS SECONDS CHUNKS PROMPT_BYTES
// CHUNKS 0: whole answers; else streams, each checked to bring that many content events. Prints one JSON object: counts, and times in
// microseconds. `delay`: from an event's write at the vendor to our read of it (both on this machine's CLOCK_MONOTONIC).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, MAX_CONNS = 2048 };

typedef struct {
    int fd;
    char *in;
    size_t have, scanned;
    long body_left;      // of an answer with Content-Length; -1: chunked, -2: head not read yet
    int seen, spoke;
    uint64_t began;
} Conn;

typedef struct {
    uint32_t *us;
    size_t n, room;
} Times;

static Conn conns[MAX_CONNS];
static char *request;
static size_t request_bytes;
static int chunks;
static long answers, events, errors;
static Times latency, first, delay;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(Times *t, uint64_t ns) {
    if (t->n == t->room) {
        t->room = t->room ? t->room * 2 : 65536;
        t->us = realloc(t->us, t->room * sizeof *t->us);
    }
    t->us[t->n++] = (uint32_t)(ns / 1000);
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, Times *t) {
    qsort(t->us, t->n, sizeof *t->us, by_size);
    uint32_t p50 = t->n ? t->us[t->n / 2] : 0, p99 = t->n ? t->us[t->n * 99 / 100] : 0;
    printf(", \"%s_p50\": %u, \"%s_p99\": %u", name, p50, name, p99);
}

static void fail(const char *why) {
    fprintf(stderr, "load: %s: %s\n", why, strerror(errno));
    exit(1);
}

static void ask(Conn *c) {
    c->have = c->scanned = 0;
    c->body_left = -2;
    c->seen = c->spoke = 0;
    c->began = now_ns();
    for (size_t at = 0; at < request_bytes;) {
        ssize_t n = send(c->fd, request + at, request_bytes - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) continue;  // large prompts: the far side is on the other core and reads
        if (n <= 0) fail("send");
        at += (size_t)n;
    }
}

static void head(Conn *c) {
    char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (!end) return;
    if (memcmp(c->in, "HTTP/1.1 200", 12)) errors++;
    size_t bytes = (size_t)(end - c->in) + 4;
    c->body_left = -1;
    for (char *line = c->in; line && line < end; line = memchr(line, '\n', (size_t)(end - line)), line = line ? line + 1 : NULL)
        if (!strncasecmp(line, "content-length:", 15)) c->body_left = strtol(line + 15, NULL, 10);
    if (c->body_left >= 0) c->body_left -= (long)(c->have - bytes);
    memmove(c->in, end + 4, c->have - bytes);
    c->have -= bytes;
    c->scanned = 0;
}

// Content events in what was read since the last look; an event that is cut by a read is left for the next one.
static void look(Conn *c, uint64_t at) {
    for (;;) {
        char *stamp = memmem(c->in + c->scanned, c->have - c->scanned, "\"@", 2);
        if (!stamp || !memchr(stamp + 2, '@', c->have - (size_t)(stamp + 2 - c->in))) return;
        uint64_t written = strtoull(stamp + 2, NULL, 10);
        c->scanned = (size_t)(stamp - c->in) + 2;
        note(&delay, at > written ? at - written : 0);
        if (!c->seen++) note(&first, at - c->began);
        events++;
    }
}

static int whole(Conn *c) {
    if (c->body_left >= 0) return c->body_left == 0;
    return c->have >= 5 && !memcmp(c->in + c->have - 5, "0\r\n\r\n", 5);
}

static void readable(Conn *c) {
    ssize_t n = recv(c->fd, c->in + c->have, BUFFER - c->have, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) fail("the connection was closed in the middle");
    uint64_t at = now_ns();
    c->have += (size_t)n;
    if (c->body_left == -2) head(c);
    else if (c->body_left >= 0) c->body_left -= n;
    if (c->body_left == -2) return;
    if (chunks) look(c, at);
    if (!whole(c)) return;
    if (c->seen != chunks) errors++;
    answers++;
    note(&latency, at - c->began);
    ask(c);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: load PORT CONNS SECONDS CHUNKS PROMPT_BYTES\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[2]), one = 1;
    double seconds = atof(argv[3]);
    chunks = atoi(argv[4]);
    size_t prompt = strtoul(argv[5], NULL, 10);
    if (count < 1 || count > MAX_CONNS) return 2;
    char *body = malloc(prompt + 300);
    size_t bytes = (size_t)sprintf(body, "{\"model\":\"bench\",%s\"messages\":[{\"role\":\"user\",\"content\":\"", chunks ? "\"stream\":true," : "");
    for (size_t i = 0; i < prompt; i++) body[bytes++] = "the quick brown fish swims ahead of a slow shark. "[i % 50];
    bytes += (size_t)sprintf(body + bytes, "\"}]}");
    request = malloc(bytes + 300);
    request_bytes = (size_t)sprintf(request,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer none\r\ncontent-type: application/json\r\n"
        "accept: */*\r\nuser-agent: load\r\ncontent-length: %zu\r\n\r\n", bytes);
    memcpy(request + request_bytes, body, bytes);
    request_bytes += bytes;
    int poller = epoll_create1(0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < count; i++) {
        Conn *c = &conns[i];
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (struct sockaddr *)&at, sizeof at)) fail("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->in = malloc(BUFFER);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
        ask(c);
    }
    uint64_t began = now_ns(), end = began + (uint64_t)(seconds * 1e9);
    struct epoll_event ready[256];
    uint64_t now = began;
    while ((now = now_ns()) < end) {
        int n = epoll_wait(poller, ready, 256, 100);
        for (int i = 0; i < n; i++) readable(ready[i].data.ptr);
    }
    printf("{\"seconds\": %.6f, \"answers\": %ld, \"events\": %ld, \"errors\": %ld", (double)(now - began) / 1e9, answers, events, errors);
    print("latency", &latency);
    print("first", &first);
    print("delay", &delay);
    printf("}\n");
    return 0;
}
