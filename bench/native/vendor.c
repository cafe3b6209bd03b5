// A vendor's server for measurements: Chat Completions, whole or as a stream, on one thread. It knows just enough HTTP for this folder.
//   vendor PORT CHUNKS GAP_US
// CHUNKS content events per stream; GAP_US microseconds between two of them, 0: as fast as the reader reads. Every content event carries the
// time it was written at (CLOCK_MONOTONIC, nanoseconds, between two @), one event per write and per HTTP chunk. GET /made answers with
// the number of connections ever accepted.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 4096, OUT_BYTES = 4096 };

typedef struct {
    char *in;             // what was read and not yet used up
    size_t have, room;
    char out[OUT_BYTES];  // what the socket did not take yet
    size_t out_at, out_end;
    int left;             // content events still to come; -1: no stream
    int usage;            // the request asked for a usage event
    uint64_t due;         // when the next event is to be written
    int waits_for_room;
} Peer;

static Peer peers[MAX_FDS];
static int poller, chunks, streaming, made;
static uint64_t gap_ns;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void drop(int fd) {
    Peer *p = &peers[fd];
    if (p->left >= 0) streaming--;
    free(p->in);
    memset(p, 0, sizeof *p);
    p->left = -1;
    close(fd);
}

static void want(int fd, int room) {
    Peer *p = &peers[fd];
    if (p->waits_for_room == room) return;
    p->waits_for_room = room;
    struct epoll_event e = {.events = EPOLLIN | (room ? EPOLLOUT : 0), .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, fd, &e);
}

// Writes what is in `out`; 1 if all of it went, 0 if the socket is full, -1 if the peer has gone.
static int flush(int fd) {
    Peer *p = &peers[fd];
    while (p->out_at < p->out_end) {
        ssize_t n = send(fd, p->out + p->out_at, p->out_end - p->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            want(fd, 1);
            return 0;
        }
        if (n <= 0) return -1;
        p->out_at += (size_t)n;
    }
    p->out_at = p->out_end = 0;
    want(fd, 0);
    return 1;
}

static void chunk(Peer *p, const char *text) {
    p->out_end += (size_t)sprintf(p->out + p->out_end, "%zx\r\n%s\r\n", strlen(text), text);
}

#define EVENT "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\"choices\":["

static void next_event(Peer *p) {
    char text[600];
    if (p->left > 0) {
        sprintf(text, EVENT "{\"index\":0,\"delta\":{\"content\":\"@%llu@ a few words\"},\"finish_reason\":null}]}\n\n", (unsigned long long)now_ns());
        chunk(p, text);
        p->left--;
        return;
    }
    chunk(p, EVENT "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
    if (p->usage) {
        sprintf(text, EVENT "],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n", chunks, chunks + 9);
        chunk(p, text);
    }
    chunk(p, "data: [DONE]\n\n");
    p->out_end += (size_t)sprintf(p->out + p->out_end, "0\r\n\r\n");
    p->left = -1;
    streaming--;
}

// As many events as are due, one write each; stops where the socket is full.
static void stream(int fd) {
    Peer *p = &peers[fd];
    while (p->left >= 0) {
        if (gap_ns && now_ns() < p->due) return;
        p->due += gap_ns;
        next_event(p);
        int went = flush(fd);
        if (went < 0) drop(fd);
        if (went <= 0) return;
    }
}

static void answer(int fd, const char *head, size_t head_bytes, const char *body, size_t body_bytes) {
    static const char whole[] =
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":"
        "{\"role\":\"assistant\",\"content\":\"A pilot fish keeps the company of sharks: it cleans their teeth and is not eaten.\"},"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":17,\"total_tokens\":26}}";
    Peer *p = &peers[fd];
    if (memmem(head, head_bytes, "GET /made", 9) == head) {
        char count[16];
        int n = sprintf(count, "%d", made);
        p->out_end += (size_t)sprintf(p->out + p->out_end, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", n, count);
    } else if (memmem(body, body_bytes, "\"stream\":true", 13) || memmem(body, body_bytes, "\"stream\": true", 14)) {
        p->out_end += (size_t)sprintf(
            p->out + p->out_end, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        p->usage = memmem(body, body_bytes, "include_usage", 13) != NULL;
        p->left = chunks;
        p->due = now_ns();
        streaming++;
        stream(fd);
        return;
    } else {
        p->out_end += (size_t)sprintf(p->out + p->out_end, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                                      sizeof whole - 1, whole);
    }
    if (flush(fd) < 0) drop(fd);
}

// One request after the other is expected on a connection: clients here wait for the answer.
static void readable(int fd) {
    Peer *p = &peers[fd];
    for (;;) {
        if (p->room - p->have < 65536) {
            p->room = p->room ? p->room * 2 : 131072;
            p->in = realloc(p->in, p->room);
        }
        ssize_t n = recv(fd, p->in + p->have, p->room - p->have - 1, 0);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) {
            drop(fd);
            return;
        }
        p->have += (size_t)n;
    }
    p->in[p->have] = 0;
    char *end = memmem(p->in, p->have, "\r\n\r\n", 4);
    if (!end) return;
    size_t head = (size_t)(end - p->in) + 4, body = 0;
    for (char *line = p->in; line && line < end; line = memchr(line, '\n', (size_t)(end - line)), line = line ? line + 1 : NULL)
        if (!strncasecmp(line, "content-length:", 15)) body = strtoul(line + 15, NULL, 10);
    if (p->have < head + body) return;
    p->have = 0;
    answer(fd, p->in, head, p->in + head, body);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: vendor PORT CHUNKS GAP_US\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    chunks = atoi(argv[2]);
    gap_ns = strtoull(argv[3], NULL, 10) * 1000u;
    for (int i = 0; i < MAX_FDS; i++) peers[i].left = -1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) {
        perror("vendor");
        return 2;
    }
    poller = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        struct timespec millisecond = {.tv_nsec = 500000};
        int n = epoll_pwait2(poller, ready, 256, streaming && gap_ns ? &millisecond : NULL, NULL);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (peer < 0) continue;
                if (peer >= MAX_FDS) {
                    close(peer);
                    continue;
                }
                setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                struct epoll_event r = {.events = EPOLLIN, .data.fd = peer};
                epoll_ctl(poller, EPOLL_CTL_ADD, peer, &r);
                made++;
                continue;
            }
            if (ready[i].events & EPOLLOUT) {
                int went = flush(fd);
                if (went < 0) {
                    drop(fd);
                    continue;
                }
                if (went) stream(fd);
            }
            if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(fd);
        }
        if (streaming && gap_ns)
            for (int fd = 0; fd < MAX_FDS; fd++)
                if (peers[fd].left >= 0 && !peers[fd].waits_for_room) stream(fd);
    }
}
