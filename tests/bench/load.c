/*
 * load [-c CONNECTIONS] [-m persistent|connect] [-d SECONDS] [-w SECONDS] [-n REQUESTS] [-i IDLE] [-x TEXT] SOCKET FILE
 *
 * A closed loop of requests to a Unix socket, for purserd and for the floor alike: each connection has at most one request in flight, and
 * sends the next one when the reply has come whole, NUL at its end. FILE holds requests, each ended by NUL, which are sent in turn. With
 * `connect` each request has a connection of its own. -i: so many further connections lie idle beside. -w: so long nothing is counted.
 * -x: a reply without TEXT is an error. One connection blocks in the kernel, the cheapest client that there is; more share an epoll set.
 *
 * A time is from send() - or from socket(), with `connect` - to the last byte of the reply. Prints one object of JSON; fails when a request did.
 */
#include "tests/bench/latency.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REPLY_MAX = 1 << 20, EVENTS = 256, STALLED_MSEC = 10000 };

struct slot {
        int fd;
        uint64_t began_nsec;
        size_t got;
        char *reply;
};

static struct {
        struct sockaddr_un address;
        char *requests;
        const char **request;
        size_t n_requests, next;
        const char *expect;
        int connect_mode;
        unsigned n_slots, n_idle;
        double seconds, warm_up;
        uint64_t most;

        uint64_t measure_from, end;
        uint64_t errors;
        size_t reply_bytes;
        struct latency latency;
} load = {
        .address.sun_family = AF_UNIX,
        .n_slots = 1,
        .seconds = 1,
        .warm_up = 0.1,
        .most = UINT64_MAX,
};

static void die(const char *what)
{
        fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
        exit(2);
}

static int is_over(void)
{
        return load.latency.n >= load.most || latency_now_nsec() >= load.end;
}

static int open_connection(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&load.address, sizeof(load.address)) < 0)
                die("connect");
        return fd;
}

static void slot_close(struct slot *slot)
{
        if (slot->fd >= 0)
                close(slot->fd);
        slot->fd = -1;
}

static void slot_send(struct slot *slot)
{
        const char *request = load.request[load.next++ % load.n_requests];
        size_t n = strlen(request) + 1;

        slot->got = 0;
        if (slot->fd < 0) {
                slot->began_nsec = latency_now_nsec();
                slot->fd = open_connection();
        }
        if (!load.connect_mode)
                slot->began_nsec = latency_now_nsec();
        if (send(slot->fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
                die("send");
}

/* 1: the reply is whole; 0: more is to come; -1: the connection is of no use any more. */
static int slot_receive(struct slot *slot, int flags)
{
        ssize_t n = recv(slot->fd, slot->reply + slot->got, REPLY_MAX - slot->got, flags);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0 || !slot->reply)
                return -1;
        slot->got += (size_t)n;
        return slot->reply[slot->got - 1] == 0;
}

static void count(const struct slot *slot)
{
        uint64_t now = latency_now_nsec();

        if (load.expect && !memmem(slot->reply, slot->got, load.expect, strlen(load.expect))) {
                if (load.errors++ == 0)
                        fprintf(stderr, "load: unexpected: %.200s\n", slot->reply);
                return;
        }
        if (slot->began_nsec < load.measure_from || now > load.end)
                return;
        latency_add(&load.latency, now - slot->began_nsec);
        load.reply_bytes = slot->got;
}

/* What came of one look at the socket. True: the next request may be sent. */
static int slot_step(struct slot *slot, int flags)
{
        int r = slot_receive(slot, flags);

        if (r == 0)
                return 0;
        if (r > 0)
                count(slot);
        else if (load.errors++ == 0)
                fprintf(stderr, "load: closed within a reply\n");
        if (r < 0 || load.connect_mode)
                slot_close(slot);
        return 1;
}

static void run_blocking(struct slot *slot)
{
        while (!is_over()) {
                slot_send(slot);
                while (!slot_step(slot, 0))
                        ;
        }
}

static void begin(int epoll, struct slot *slot)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = slot };
        int is_new = slot->fd < 0;

        slot_send(slot);
        if (is_new && epoll_ctl(epoll, EPOLL_CTL_ADD, slot->fd, &event) < 0)
                die("epoll_ctl");
}

static void run_epoll(struct slot *slots)
{
        struct epoll_event events[EVENTS];
        int epoll = epoll_create1(EPOLL_CLOEXEC);

        if (epoll < 0)
                die("epoll_create1");
        for (unsigned i = 0; i < load.n_slots; i++)
                begin(epoll, &slots[i]);
        while (!is_over()) {
                int n = epoll_wait(epoll, events, EVENTS, STALLED_MSEC);

                if (n == 0) {
                        errno = ETIMEDOUT;
                        die("no reply");
                }
                for (int i = 0; i < n; i++)
                        if (slot_step(events[i].data.ptr, MSG_DONTWAIT))
                                begin(epoll, events[i].data.ptr);
        }
        close(epoll);
}

static void read_requests(const char *path)
{
        size_t allocated = 1 << 16, n = 0, got;
        FILE *file = fopen(path, "re");

        if (!file)
                die(path);
        load.requests = malloc(allocated);
        while (load.requests && (got = fread(load.requests + n, 1, allocated - n, file)) > 0) {
                n += got;
                if (n == allocated)
                        load.requests = realloc(load.requests, allocated *= 2);
        }
        fclose(file);
        if (!load.requests || n == 0 || load.requests[n - 1] != 0)
                die("requests must each end with NUL");

        load.request = calloc(n, sizeof(*load.request));
        if (!load.request)
                die("memory");
        for (char *at = load.requests; at < load.requests + n; at += strlen(at) + 1)
                load.request[load.n_requests++] = at;
}

static void read_options(int argc, char **argv)
{
        int option;

        while ((option = getopt(argc, argv, "c:m:d:w:n:i:x:")) != -1)
                switch (option) {
                case 'c':
                        load.n_slots = (unsigned)strtoul(optarg, NULL, 10);
                        break;
                case 'm':
                        load.connect_mode = strcmp(optarg, "connect") == 0;
                        break;
                case 'd':
                        load.seconds = strtod(optarg, NULL);
                        break;
                case 'w':
                        load.warm_up = strtod(optarg, NULL);
                        break;
                case 'n':
                        load.most = strtoull(optarg, NULL, 10);
                        break;
                case 'i':
                        load.n_idle = (unsigned)strtoul(optarg, NULL, 10);
                        break;
                case 'x':
                        load.expect = optarg;
                        break;
                default:
                        exit(2);
                }
        if (argc - optind != 2 || load.n_slots == 0 ||
            strlen(argv[optind]) >= sizeof(load.address.sun_path)) {
                fputs("usage: load [OPTION...] SOCKET FILE\n", stderr);
                exit(2);
        }
        strcpy(load.address.sun_path, argv[optind]);
        read_requests(argv[optind + 1]);
}

static void raise_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
}

static void report(double seconds)
{
        const struct latency *latency = &load.latency;
        printf("{\"requests\": %llu, \"seconds\": %.3f, \"rate\": %.1f, \"p50_usec\": %.2f, \"p99_usec\": "
               "%.2f, ",
               (unsigned long long)latency->n, seconds, (double)latency->n / seconds,
               latency_percentile_usec(latency, 50), latency_percentile_usec(latency, 99));
        printf("\"max_usec\": %.2f, \"errors\": %llu, \"reply_bytes\": %zu}\n", (double)latency->max / 1000,
               (unsigned long long)load.errors, load.reply_bytes);
}

int main(int argc, char **argv)
{
        struct slot *slots;
        uint64_t now;

        read_options(argc, argv);
        raise_limit();
        slots = calloc(load.n_slots, sizeof(*slots));
        if (!slots)
                die("memory");
        for (unsigned i = 0; i < load.n_slots; i++) {
                slots[i].fd = -1;
                slots[i].reply = malloc(REPLY_MAX); /* touched as far as replies reach */
                if (!slots[i].reply)
                        die("memory");
        }
        for (unsigned i = 0; i < load.n_idle; i++)
                (void)open_connection();

        now = latency_now_nsec();
        load.measure_from = now + (uint64_t)(load.warm_up * 1e9);
        load.end = load.measure_from + (uint64_t)(load.seconds * 1e9);
        if (load.n_slots == 1)
                run_blocking(slots);
        else
                run_epoll(slots);
        now = latency_now_nsec();
        report((double)((now < load.end ? now : load.end) - load.measure_from) / 1e9);
        return load.errors > 0 || load.latency.n == 0;
}
