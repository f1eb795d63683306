/* The public face of the library: handles, results, and the calls that have one reply. */
#include "client/libpurser_private.h"

#include "common/wipe.h"
#include "common/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#ifndef PURSER_VERSION
#error "PURSER_VERSION is set by the Makefile"
#endif

#define SYSTEM_SOCKET "/run/purser/purser.sock"

enum {
        TIMEOUT_DEFAULT_MSEC = 120 * 1000,
        PATIENCE_DEFAULT_MSEC = 10 * 1000,
};

DEFINE_FREEP(struct purser *, purser_close)

/* ---- results ---- */

static const struct {
        const char *name, *text;
} results[] = {
        [PURSER_OK] = { "PURSER_OK", "done" },
        [PURSER_E_USAGE] = { "PURSER_E_USAGE", "an argument cannot be" },
        [PURSER_E_MEMORY] = { "PURSER_E_MEMORY", "out of memory" },
        [PURSER_E_SYSTEM] = { "PURSER_E_SYSTEM", "a system call failed" },
        [PURSER_E_NO_DAEMON] = { "PURSER_E_NO_DAEMON", "no purserd answers" },
        [PURSER_E_TIMEOUT] = { "PURSER_E_TIMEOUT", "purserd did not answer in time" },
        [PURSER_E_OUTCOME_UNKNOWN] = { "PURSER_E_OUTCOME_UNKNOWN", "purserd went away before it answered" },
        [PURSER_E_PROTOCOL] = { "PURSER_E_PROTOCOL", "the answer breaks the protocol" },
        [PURSER_E_NOT_PERMITTED] = { "PURSER_E_NOT_PERMITTED", "not permitted" },
        [PURSER_E_NO_SUCH_CREDENTIAL] = { "PURSER_E_NO_SUCH_CREDENTIAL", "there is no such credential" },
        [PURSER_E_AUTHORIZATION_REQUIRED] = { "PURSER_E_AUTHORIZATION_REQUIRED", "a person must log in" },
        [PURSER_E_TOKEN_UNAVAILABLE] = { "PURSER_E_TOKEN_UNAVAILABLE", "no valid token now" },
        [PURSER_E_OTHER] = { "PURSER_E_OTHER", "an error of purserd" },
        [PURSER_E_AGAIN] = { "PURSER_E_AGAIN", "nothing new yet" },
};

static bool is_result(int result)
{
        return result >= 0 && (size_t)result < N_ELEMENTS(results);
}

const char *purser_version(void)
{
        return PURSER_VERSION;
}

const char *purser_result_name(int result)
{
        return is_result(result) ? results[result].name : "unknown result";
}

const char *purser_result_text(int result)
{
        return is_result(result) ? results[result].text : "unknown result";
}

void handle_forget(struct purser *purser)
{
        purser->error.text[0] = '\0';
        free(purser->error_name);
        free(purser->error_parameters);
        purser->error_name = purser->error_parameters = NULL;
        purser->retry_after = -1;
}

int handle_succeed(struct purser *purser)
{
        handle_forget(purser);
        return PURSER_OK;
}

/* Names are of the daemon's errors alone, which link_fail() tells. */
int handle_fail(struct purser *purser, int result, const char *format, ...)
{
        va_list ap;

        handle_forget(purser);
        va_start(ap, format);
        diag_vset(&purser->error, format, ap);
        va_end(ap);
        return result;
}

int handle_fault(struct purser *purser, int error, const char *doing)
{
        if (error == -ENOMEM)
                return handle_fail(purser, PURSER_E_MEMORY, "%s: out of memory", doing);
        return handle_fail(purser, PURSER_E_SYSTEM, "%s: %s", doing, strerrordesc_np(-error));
}

const char *purser_error(const struct purser *purser)
{
        return purser->error.text;
}

const char *purser_error_name(const struct purser *purser)
{
        return purser->error_name;
}

const char *purser_error_parameters(const struct purser *purser)
{
        return purser->error_parameters;
}

int64_t purser_retry_after(const struct purser *purser)
{
        return purser->retry_after;
}

/* ---- handles ---- */

/* A setuid program does not let its caller choose whom it talks to. */
static char *default_socket(void)
{
        const char *chosen = secure_getenv("PURSER_SOCKET"), *runtime = secure_getenv("XDG_RUNTIME_DIR");
        char *path;

        if (chosen && *chosen)
                return strdup(chosen);
        if (runtime && *runtime) {
                if (asprintf(&path, "%s/purser/purser.sock", runtime) < 0)
                        return NULL;
                if (access(path, F_OK) == 0)
                        return path;
                free(path);
        }
        return strdup(SYSTEM_SOCKET);
}

int purser_open(struct purser **ret, const char *socket_path)
{
        _cleanup_(purser_closep) struct purser *purser = NULL;
        size_t n;

        purser = calloc(1, sizeof(*purser));
        if (!purser)
                return PURSER_E_MEMORY;
        purser->retry_after = -1;
        purser_set_timeout(purser, TIMEOUT_DEFAULT_MSEC);
        purser_set_patience(purser, PATIENCE_DEFAULT_MSEC);

        purser->socket_path = socket_path ? strdup(socket_path) : default_socket();
        if (!purser->socket_path)
                return PURSER_E_MEMORY;
        n = strlen(purser->socket_path);
        if (n == 0 || n >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
                return PURSER_E_USAGE;

        *ret = take_ptr(purser);
        return PURSER_OK;
}

void purser_close(struct purser *purser)
{
        if (!purser)
                return;
        conn_free(purser->conn);
        handle_forget(purser);
        free(purser->socket_path);
        free(purser);
}

const char *purser_socket_path(const struct purser *purser)
{
        return purser->socket_path;
}

static uint64_t limit_usec(int milliseconds)
{
        return milliseconds < 0 ? USEC_INFINITY : (uint64_t)milliseconds * USEC_PER_MSEC;
}

void purser_set_timeout(struct purser *purser, int milliseconds)
{
        purser->timeout_usec = limit_usec(milliseconds);
}

void purser_set_patience(struct purser *purser, int milliseconds)
{
        purser->patience_usec = limit_usec(milliseconds);
}

/* ---- calls with one reply ---- */

int handle_name_credential(struct purser *purser, struct secret_buf *parameters, const char *credential)
{
        int r;

        if (!credential || !*credential)
                return handle_fail(purser, PURSER_E_USAGE, "which credential?");

        r = secret_buf_append_string(parameters, "{\"credential\":");
        if (r == 0)
                r = wire_append_string(parameters, credential, strlen(credential));
        if (r == -EILSEQ || r == -EMSGSIZE)
                return handle_fail(purser, PURSER_E_USAGE, "the name is none that a credential can have");
        return r == 0 ? PURSER_OK : handle_fault(purser, r, "building a call");
}

int handle_call(struct purser *purser, const char *method, const char *parameters, bool idempotent,
                struct reply *ret)
{
        _cleanup_(secret_buf_done) struct secret_buf request = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        int r;

        handle_forget(purser);
        r = link_format_call(purser, &request, method, parameters, false);
        if (r == PURSER_OK)
                r = link_call(purser, &request, idempotent, ret);
        if (r == PURSER_OK && ret->error.p)
                r = link_fail(purser, ret);
        return r;
}

char *handle_copy_text(struct slice text)
{
        char *copy = wipe_malloc(text.n + 1);

        if (copy) {
                memcpy(copy, text.p, text.n);
                copy[text.n] = '\0';
        }
        return copy;
}

int purser_call(struct purser *purser, const char *method, const char *parameters, unsigned flags,
                char **ret_reply)
{
        struct reply reply;
        char *text;
        int r;

        r = handle_call(purser, method, parameters, flags & PURSER_CALL_IDEMPOTENT, &reply);
        if (r != PURSER_OK || !ret_reply)
                return r;

        text = handle_copy_text(reply.parameters);
        if (!text)
                return handle_fault(purser, fault(-ENOMEM), "reading a reply");
        *ret_reply = text;
        return PURSER_OK;
}

void purser_text_free(char *text)
{
        wipe_free(text);
}
