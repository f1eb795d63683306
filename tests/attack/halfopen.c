/*
 * halfopen SOCKET SECONDS: connects as fast as the kernel lets it, says half a word, a call or nothing, shuts one side or both, and keeps some
 * hundred such connections open. In C: what is fast enough in Python to look dangerous is not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { KEPT = 500, NEITHER = -1 };

static const char call[] =
        "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"cedar\"}}";

static const struct way {
        const char *words;
        size_t n; /* NULs included */
        int shut;
} ways[] = {
        { "{\"meth", 6, SHUT_WR },
        { call, sizeof(call), SHUT_RD },
        { "", 0, NEITHER },
        { "", 0, SHUT_RDWR },
};

static double now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A negative number where the queue is full: whoever waits there attacks less. */
static int knock(const struct sockaddr_un *address, const struct way *way)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -1;
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
                close(fd);
                return -1;
        }
        (void)send(fd, way->words, way->n, MSG_NOSIGNAL);
        if (way->shut != NEITHER)
                shutdown(fd, way->shut);
        return fd;
}

int main(int argc, char **argv)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int kept[KEPT];
        double end;

        if (argc != 3 || strlen(argv[1]) >= sizeof(address.sun_path)) {
                fputs("usage: halfopen SOCKET SECONDS\n", stderr);
                return 2;
        }
        strcpy(address.sun_path, argv[1]);
        end = now() + strtod(argv[2], NULL);
        memset(kept, -1, sizeof(kept));
        for (unsigned n = 0; now() < end; n++) {
                int fd = knock(&address, &ways[n % (sizeof(ways) / sizeof(ways[0]))]);

                if (fd < 0)
                        continue;
                if (kept[n % KEPT] >= 0)
                        close(kept[n % KEPT]);
                kept[n % KEPT] = fd;
        }
        return 0;
}
