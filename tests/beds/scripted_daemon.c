#include "tests/beds/scripted_daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool read_message(int fd, char *message, size_t size)
{
        size_t n = 0;

        while (n < size && read(fd, message + n, 1) == 1)
                if (message[n++] == '\0')
                        return true;
        return false;
}

static bool send_text(int fd, const char *text, bool end)
{
        size_t n = strlen(text) + end;
        char *bytes = strdup(text);
        bool sent;

        for (char *p = bytes; *p; p++)
                if (*p == '\n')
                        *p = '\0';
        sent = send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
        explicit_bzero(bytes, n);
        free(bytes);
        return sent;
}

static bool play(struct daemon *daemon, const struct step *step)
{
        static _Thread_local char message[65536];

        switch (step->action) {
        case ACCEPT:
                daemon->fd = accept(daemon->listener, NULL, NULL);
                return daemon->fd >= 0;
        case READ:
                return read_message(daemon->fd, message, sizeof(message)) && strstr(message, step->text);
        case SEND:
                return send_text(daemon->fd, step->text, true);
        case SEND_PART:
                return send_text(daemon->fd, step->text, false);
        case CLOSE:
                return close(daemon->fd) == 0;
        case END_SEEN:
                return read(daemon->fd, message, 1) == 0;
        case DONE:
                break;
        }
        return false;
}

static void *daemon_thread(void *data)
{
        struct daemon *daemon = data;

        while (daemon->step->action != DONE && play(daemon, daemon->step))
                daemon->step++;
        return NULL;
}

void start(struct daemon *daemon, const struct step *script)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        *daemon = (struct daemon){ .step = script, .directory = "/tmp/purser-test-XXXXXX" };
        assert_non_null(mkdtemp(daemon->directory));
        snprintf(daemon->path, sizeof(daemon->path), "%s/sock", daemon->directory);
        strcpy(address.sun_path, daemon->path);

        daemon->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(daemon->listener, errno);
        assert_return_code(bind(daemon->listener, (struct sockaddr *)&address, sizeof(address)), errno);
        assert_return_code(listen(daemon->listener, 8), errno);
        assert_int_equal(pthread_create(&daemon->thread, NULL, daemon_thread, daemon), 0);

        assert_int_equal(purser_open(&daemon->purser, daemon->path), PURSER_OK);
        purser_set_timeout(daemon->purser, 20000);
}

void wait_for_step(struct daemon *daemon, const struct step *step)
{
        while (daemon->step < step)
                sched_yield();
}

void finish(struct daemon *daemon)
{
        purser_close(daemon->purser);
        pthread_join(daemon->thread, NULL);
        close(daemon->listener);
        unlink(daemon->path);
        rmdir(daemon->directory);
        if (daemon->step->action != DONE)
                fail_msg("step %d \"%s\" did not come true", daemon->step->action,
                         daemon->step->text ? daemon->step->text : "");
}

const int *connect_errors;

int __real_connect(int fd, const struct sockaddr *address, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n)
{
        if (!connect_errors || *connect_errors == 0)
                return __real_connect(fd, address, n);
        errno = *connect_errors++;
        return -1;
}

int reset_connect(void **state)
{
        connect_errors = NULL;
        return 0;
}
