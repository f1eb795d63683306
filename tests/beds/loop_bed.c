#include "tests/beds/loop_bed.h"

#include "common/wire_brief.h"
#include "daemon/loop.h"
#include "daemon/serve/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { GAVE_UP = 99, LENGTH = 1024 * 1024 };

struct timers timers;
struct timer timer;
static struct audit audit;
sd_event *event;
static struct loop *loop;
struct server *server;
static char directory[] = "/tmp/purser-loop-XXXXXX";
static struct sockaddr_un address;
static struct secret_buf answer = SECRET_BUF_INIT(1024);
sd_event_source *defer;
size_t n_expected, most_expected;
unsigned n_to_refuse; /* of what was taken for brief */
unsigned n_brief, n_slow;
void (*on_call_do)(void);

static bool on_message(struct brief *message, void *userdata)
{
        struct wire_brief brief;

        return wire_read_brief(message->bytes, message->n, &brief) && wire_slice_is(&brief.method, "t.Brief");
}

static void on_expected(const struct brief *const *briefs, size_t n, void *userdata)
{
        n_expected += n;
        if (n > most_expected)
                most_expected = n;
}

static bool on_brief(struct call *call, const struct brief *message, void *userdata,
                     const struct secret_buf **ret_answer)
{
        if (n_to_refuse > 0) {
                n_to_refuse--;
                return false;
        }
        n_brief++;
        if (on_call_do)
                on_call_do();
        *ret_answer = &answer;
        return true;
}

static void on_call_drained(void *pending)
{
        on_call_do();
}

/* More than the kernel takes at once, and more to come. */
static void answer_at_length(struct call *call)
{
        char *text = calloc(1, LENGTH + 1);
        json_t *parameters;

        memset(text, 'x', LENGTH);
        parameters = json_pack("{s:s}", "text", text);
        call->on_drained = on_call_drained;
        call_reply_continues(call, parameters);
        json_decref(parameters);
        free(text);
}

static int on_call(struct call *call, void *userdata)
{
        if (strcmp(call->wire.method, "t.Long") == 0) {
                answer_at_length(call);
                return 0;
        }
        n_slow++;
        if (on_call_do)
                on_call_do();
        call_reply(call, NULL);
        return 0;
}

static void on_crowded(struct call *call, void *userdata)
{
}

static void on_jump(void *userdata)
{
}

static int give_up(sd_event_source *source, uint64_t usec, void *userdata)
{
        return sd_event_exit(event, GAVE_UP);
}

void end_loop(void *userdata)
{
        (void)sd_event_exit(event, 43);
}

int setup(void **state)
{
        static const struct server_handler handler = { .on_call = on_call,
                                                       .on_message = on_message,
                                                       .on_expected = on_expected,
                                                       .on_brief = on_brief,
                                                       .on_crowded = on_crowded };
        struct server_limits limits = server_limits_for(1024);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        n_brief = n_slow = 0;
        n_expected = most_expected = 0;
        n_to_refuse = 0;
        on_call_do = NULL;
        timers = (struct timers)TIMERS_INIT;
        timer_init(&timer, end_loop, NULL);
        audit_init(&audit, &clock_system, &timers);
        strcpy(directory + sizeof(directory) - 7, "XXXXXX");
        assert_non_null(mkdtemp(directory));
        address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof(address.sun_path), "%.40s/s", directory);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 128), 0);
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(loop_new(&loop, event, &timers, &clock_system, on_jump, NULL), 0);
        assert_int_equal(server_new(&server, event, &clock_system, &timers, &audit, &limits, &handler), 0);
        assert_int_equal(server_listen(server, fd), 0);
        assert_int_equal(secret_buf_append_string(&answer, "{\"parameters\":{}}"), 0);
        assert_true(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, PATIENCE_SEC * USEC_PER_SEC, 0,
                                               give_up, NULL) >= 0);
        return 0;
}

int teardown(void **state)
{
        timer_stop(&timers, &timer);
        defer = sd_event_source_unref(defer);
        server = server_free(server);
        loop = loop_free(loop);
        audit_done(&audit);
        timers_done(&timers);
        event = sd_event_unref(event);
        secret_buf_done(&answer);
        unlink(address.sun_path);
        return rmdir(directory);
}

int connect_client(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                abort();
        return fd;
}

void say(int fd, const char *message)
{
        assert_int_equal(send(fd, message, strlen(message) + 1, MSG_NOSIGNAL), strlen(message) + 1);
}

void hear_answer(int fd)
{
        char heard[64];

        assert_int_equal(recv(fd, heard, sizeof(heard), 0), 18);
        assert_string_equal(heard, "{\"parameters\":{}}");
}
