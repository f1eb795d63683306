/*
 * One connection to the daemon: to connect, to ask, to wait for
 * the reply, and to do so again when the daemon is restarted.
 */
#include "client/libpurser_private.h"

#include "common/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

uint64_t link_now_usec(void)
{
        return clock_boot_usec(&clock_system);
}

int link_poll(int fd, short events, uint64_t until)
{
        struct pollfd pollfd = { .fd = fd, .events = events };
        uint64_t now = link_now_usec(),
                 msec = until > now ? (until - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC : 0;
        int r;

        r = poll(&pollfd, fd >= 0 ? 1 : 0,
                 until == USEC_INFINITY ? -1
                 : msec > INT32_MAX     ? INT32_MAX
                                        : (int)msec);
        return r < 0 && errno != EINTR ? fault(-errno) : 0;
}

/* ---- connecting ---- */

static int connect_outcome(int error)
{
        switch (error) {
        case ENOENT:
        case ENOTDIR:
        case ECONNREFUSED:
        case ECONNRESET:
                return LINK_E_ABSENT;
        case EAGAIN:
                return LINK_E_BUSY;
        case EACCES:
        case EPERM:
                return LINK_E_DENIED;
        default:
                return fault(-error);
        }
}

/* Its length was checked when the handle was made. */
int link_connect(const char *path, struct conn **ret, struct diag *diag)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(closep) int fd = -1;
        int r;

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return fault(-errno);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                int error = errno;

                diag_set(diag, "%s", strerrordesc_np(error));
                return connect_outcome(error);
        }

        r = conn_new(ret, fd, WIRE_MESSAGE_MAX, WIRE_MESSAGE_MAX);
        if (r == 0)
                take_fd(&fd);
        return r;
}

/* ---- messages ---- */

static int append_call(struct secret_buf *request, const char *method, struct slice parameters, bool more)
{
        int r;

        r = secret_buf_append_string(request, "{\"method\":");
        if (r == 0)
                r = wire_append_string(request, method, strlen(method));
        if (r == 0 && parameters.p)
                r = secret_buf_append_string(request, ",\"parameters\":");
        if (r == 0 && parameters.p)
                r = secret_buf_append(request, parameters.p, parameters.n);
        if (r == 0)
                r = secret_buf_append_string(request, more ? ",\"more\":true}" : "}");
        return r;
}

int link_format_call(struct purser *purser, struct secret_buf *request, const char *method,
                     const char *parameters, bool more)
{
        struct slice object = { NULL, 0 };
        int r;

        if (!method || !strchr(method, '.'))
                return handle_fail(purser, PURSER_E_USAGE,
                                   "a method has a name like io.purser.Tokens.GetToken");
        if (parameters &&
            (slice_parse(parameters, strlen(parameters), &object) != 0 || !slice_is_object(object)))
                return handle_fail(purser, PURSER_E_USAGE,
                                   "the parameters of %s are not the text of a JSON object", method);

        r = append_call(request, method, object, more);
        if (r == -EILSEQ)
                return handle_fail(purser, PURSER_E_USAGE, "the method's name is not UTF-8");
        if (r == -EMSGSIZE)
                return link_result(purser, LINK_E_TOO_LONG, NULL);
        return r == 0 ? PURSER_OK : handle_fault(purser, r, "building a call");
}

static bool parse_reply(const char *bytes, size_t n, struct reply *ret)
{
        struct slice message, name, value;
        struct reply reply = { .parameters = { "{}", 2 } };
        const char *position = NULL;

        if (slice_parse(bytes, n, &message) != 0 || !slice_is_object(message))
                return false;

        while (slice_next_member(message, &position, &name, &value)) {
                if (slice_is_null(value))
                        continue;
                if (slice_equals(name, "error"))
                        reply.error = value;
                else if (slice_equals(name, "parameters"))
                        reply.parameters = value;
                else if (slice_equals(name, "continues"))
                        reply.continues = slice_is_true(value);
        }
        if (!slice_is_object(reply.parameters) || (reply.error.p && !slice_is_string(reply.error)))
                return false;

        *ret = reply;
        return true;
}

int link_next_reply(struct conn *conn, struct reply *ret)
{
        const char *bytes;
        size_t n;
        int r;

        r = conn_next(conn, &bytes, &n);
        if (r == CONN_E_AGAIN)
                return LINK_E_AGAIN;
        if (r != 0)
                return r < 0 ? r : LINK_E_MALFORMED;
        return parse_reply(bytes, n, ret) ? 0 : LINK_E_MALFORMED;
}

/* ---- one call ---- */

static void sleep_until(uint64_t until)
{
        while (link_now_usec() < until)
                (void)link_poll(-1, 0, until);
}

static int wait_for(struct conn *conn, short events, uint64_t deadline)
{
        if (link_now_usec() >= deadline)
                return LINK_E_TIMEOUT;
        return link_poll(conn_fd(conn), events, deadline);
}

/* *ret_sent becomes true as soon as the daemon may have seen a byte of it. */
static int send_request(struct conn *conn, const struct secret_buf *request, uint64_t deadline,
                        bool *ret_sent)
{
        int r;

        r = conn_put(conn, request->data, request->n);
        if (r != 0)
                return r < 0 ? r : LINK_E_TOO_LONG;

        for (;;) {
                r = conn_flush(conn);
                *ret_sent |= r == 0 || conn_queued(conn) <= request->n;
                if (r == CONN_E_CLOSED)
                        return LINK_E_LOST;
                if (r != CONN_E_AGAIN)
                        return r;
                r = wait_for(conn, POLLOUT, deadline);
                if (r != 0)
                        return r;
        }
}

static int receive_reply(struct conn *conn, uint64_t deadline, struct reply *ret)
{
        int r;

        for (;;) {
                r = link_next_reply(conn, ret);
                if (r != LINK_E_AGAIN)
                        return r;
                r = conn_read(conn);
                if (r == CONN_E_CLOSED)
                        return LINK_E_LOST;
                if (r == CONN_E_AGAIN)
                        r = wait_for(conn, POLLIN, deadline);
                if (r != 0)
                        return r;
        }
}

static void drop_connection(struct purser *purser)
{
        purser->conn = conn_free(purser->conn);
}

/*
 * A connection that lay idle may have ended, or belong to the
 * parent process; one with something to read is out of step.
 */
static bool connection_is_fit(struct purser *purser)
{
        const char *bytes;
        size_t n;

        return purser->conn && purser->conn_pid == getpid() &&
               conn_next(purser->conn, &bytes, &n) == CONN_E_AGAIN && !conn_has_partial(purser->conn) &&
               conn_read(purser->conn) == CONN_E_AGAIN;
}

static int ensure_connection(struct purser *purser, struct diag *diag)
{
        int r;

        if (connection_is_fit(purser))
                return 0;
        drop_connection(purser);
        r = link_connect(purser->socket_path, &purser->conn, diag);
        if (r == 0)
                purser->conn_pid = getpid();
        return r;
}

static int attempt(struct purser *purser, const struct secret_buf *request, uint64_t deadline, bool *ret_sent,
                   struct reply *ret, struct diag *diag)
{
        int r;

        r = ensure_connection(purser, diag);
        if (r != 0)
                return r;
        r = send_request(purser->conn, request, deadline, ret_sent);
        if (r == 0)
                r = receive_reply(purser->conn, deadline, ret);
        if (r == LINK_E_LOST)
                diag_set(diag, "it closed the connection");
        /* A reply that comes too late would be taken for that of the next call. */
        if (r != 0)
                drop_connection(purser);
        return r;
}

int link_call(struct purser *purser, const struct secret_buf *request, bool idempotent, struct reply *ret)
{
        uint64_t deadline = usec_add(link_now_usec(), purser->timeout_usec), patience = USEC_INFINITY;
        uint64_t pause = LINK_PAUSE_MIN_USEC;
        struct diag diag = DIAG_INIT;

        for (;;) {
                bool sent = false;
                uint64_t now;
                int r;

                r = attempt(purser, request, deadline, &sent, ret, &diag);
                if (r == 0)
                        return PURSER_OK;
                if (r != LINK_E_ABSENT && r != LINK_E_BUSY && (r != LINK_E_LOST || (sent && !idempotent)))
                        return link_result(purser, r, &diag);

                now = link_now_usec();
                if (patience == USEC_INFINITY && r != LINK_E_BUSY)
                        patience = usec_add(now, purser->patience_usec);
                if (now >= patience || now >= deadline)
                        return link_result(purser, r == LINK_E_BUSY ? LINK_E_TIMEOUT : LINK_E_ABSENT, &diag);
                sleep_until(usec_add(now, pause));
                pause = 2 * pause < LINK_PAUSE_MAX_USEC ? 2 * pause : LINK_PAUSE_MAX_USEC;
        }
}

/* ---- results ---- */

int link_result(struct purser *purser, int outcome, const struct diag *diag)
{
        const char *path = purser->socket_path;

        switch (outcome) {
        case LINK_E_ABSENT:
                return handle_fail(purser, PURSER_E_NO_DAEMON, "no purserd answers at %s: %s", path,
                                   diag->text);
        case LINK_E_DENIED:
                return handle_fail(purser, PURSER_E_NOT_PERMITTED, "%s may not be opened: %s", path,
                                   diag->text);
        case LINK_E_LOST:
                return handle_fail(
                        purser, PURSER_E_OUTCOME_UNKNOWN,
                        "purserd went away before it answered: whether it did what was asked is not known");
        case LINK_E_BUSY:
        case LINK_E_TIMEOUT:
                return handle_fail(purser, PURSER_E_TIMEOUT, "purserd at %s did not answer in time", path);
        case LINK_E_TOO_LONG:
                return handle_fail(purser, PURSER_E_USAGE, "the call is longer than a message may be");
        case LINK_E_MALFORMED:
                return handle_fail(purser, PURSER_E_PROTOCOL,
                                   "what answers at %s does not speak as purserd does", path);
        default:
                return handle_fault(purser, outcome, "talking to purserd");
        }
}

static const struct {
        const char *name;
        int result;
        const char *words;
} daemon_errors[] = {
        { "io.purser.Tokens.AuthorizationRequired", PURSER_E_AUTHORIZATION_REQUIRED, "a person must log in" },
        { "io.purser.Tokens.TokenUnavailable", PURSER_E_TOKEN_UNAVAILABLE, "no valid token now" },
        { "io.purser.Tokens.NoSuchCredential", PURSER_E_NO_SUCH_CREDENTIAL, "there is no such credential" },
        { "org.varlink.service.PermissionDenied", PURSER_E_NOT_PERMITTED, "not permitted" },
        { "org.varlink.service.InvalidParameter", PURSER_E_USAGE, "purserd does not accept a parameter" },
};

/* The members by which daemon errors tell their story; each has some of them. */
struct error_members {
        const char *credential, *reason, *parameter;
        int64_t retry_after;
};

static const struct field error_fields[] = {
        { "credential", FIELD_TEXT, false, offsetof(struct error_members, credential) },
        { "reason", FIELD_TEXT, false, offsetof(struct error_members, reason) },
        { "parameter", FIELD_TEXT, false, offsetof(struct error_members, parameter) },
        { "retry_after_seconds", FIELD_INT, false, offsetof(struct error_members, retry_after) },
};

static int keep_text(char **place, const char *p, size_t n)
{
        char *copy = strndup(p, n);

        if (!copy)
                return fault(-ENOMEM);
        free(*place);
        *place = copy;
        return 0;
}

static int fail_in_words(struct purser *purser, const struct error_members *members)
{
        const char *subject = members->credential ? members->credential : members->parameter;
        const char *words = purser->error_name;
        int result = PURSER_E_OTHER;

        for (size_t i = 0; i < N_ELEMENTS(daemon_errors); i++)
                if (strcmp(daemon_errors[i].name, purser->error_name) == 0) {
                        result = daemon_errors[i].result;
                        words = daemon_errors[i].words;
                }

        purser->retry_after = members->retry_after;
        diag_set(&purser->error, "%s%s%s%s%s", subject ? subject : "", subject ? ": " : "", words,
                 members->reason ? ": " : "", members->reason ? members->reason : "");
        return result;
}

static int keep_name(struct purser *purser, struct slice error)
{
        struct secret_buf memory = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        size_t offset;
        int r;

        r = slice_decode(error, &memory, &offset);
        if (r == 0)
                r = keep_text(&purser->error_name, memory.data + offset, strlen(memory.data + offset));
        secret_buf_done(&memory);
        return r;
}

int link_fail(struct purser *purser, const struct reply *reply)
{
        struct error_members members = { .retry_after = -1 };
        struct secret_buf memory = SECRET_BUF_INIT(RECORD_MEMORY_MAX);
        struct slice parameters;
        int r;

        handle_forget(purser);
        r = keep_name(purser, reply->error);
        if (r == 0)
                r = record_keep(reply->parameters, &memory, &parameters);
        if (r == 0)
                r = keep_text(&purser->error_parameters, parameters.p, parameters.n);
        /* Members of another type than expected only leave the sentence without them. */
        if (r == 0)
                (void)record_read(parameters, error_fields, N_ELEMENTS(error_fields), &members, &memory,
                                  NULL);

        if (r == 0)
                r = fail_in_words(purser, &members);
        else
                r = link_result(purser, r < 0 ? r : LINK_E_MALFORMED, NULL);
        secret_buf_done(&memory);
        return r;
}
