/* Watching one credential, and calls with `more`: what becomes of the replies of a stream. */
#include "client/libpurser_private.h"

#include "common/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct purser_watch {
        struct purser *purser;
        struct stream *stream;
        struct secret *last_token; /* what the caller knows already */
        int64_t last_generation;
        int ended; /* the result that ended it */
};

int purser_watch_new(struct purser *purser, const char *credential, struct purser_watch **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf parameters = SECRET_BUF_INIT(WIRE_MESSAGE_MAX);
        struct purser_watch *watch;
        int r;

        r = handle_name_credential(purser, &parameters, credential);
        if (r != PURSER_OK)
                return r;
        r = secret_buf_append_string(&parameters, "}");
        if (r < 0)
                return handle_fault(purser, r, "watching");

        watch = calloc(1, sizeof(*watch));
        if (!watch)
                return handle_fault(purser, fault(-ENOMEM), "watching");
        watch->purser = purser;
        r = stream_new(&watch->stream, purser, TOKENS_INTERFACE "WatchToken", parameters.data, true);
        if (r != PURSER_OK) {
                free(watch);
                return r;
        }

        *ret = watch;
        return handle_succeed(purser);
}

void purser_watch_free(struct purser_watch *watch)
{
        if (!watch)
                return;
        stream_free(watch->stream);
        secret_free(watch->last_token);
        free(watch);
}

int purser_watch_fd(const struct purser_watch *watch)
{
        return stream_fd(watch->stream);
}

/* After a restart the daemon tells what it told before. *ret_known: the caller knows this token. */
static int remember(struct purser_watch *watch, const struct purser_bundle *bundle, bool *ret_known)
{
        struct secret *token;
        int r;

        r = secret_new_string(&token, purser_bundle_access_token(bundle));
        if (r < 0)
                return r;
        *ret_known = watch->last_generation == purser_bundle_generation(bundle) &&
                     secret_equal(watch->last_token, token);
        secret_free(watch->last_token);
        watch->last_token = token;
        watch->last_generation = purser_bundle_generation(bundle);
        return 0;
}

static int take_reply(struct purser_watch *watch, const struct reply *reply, struct purser_bundle **ret)
{
        _cleanup_(purser_bundle_freep) struct purser_bundle *bundle = NULL;
        struct diag diag = DIAG_INIT;
        bool known;
        int r;

        if (reply->error.p)
                return link_fail(watch->purser, reply);

        r = bundle_new(&bundle, reply->parameters, &diag);
        if (r == 0)
                r = remember(watch, bundle, &known);
        if (r != 0)
                return record_result(watch->purser, r, &diag);
        if (!reply->continues)
                stream_restart(watch->stream);
        if (known)
                return PURSER_E_AGAIN;

        *ret = take_ptr(bundle);
        return handle_succeed(watch->purser);
}

int purser_watch_step(struct purser_watch *watch, struct purser_bundle **ret)
{
        struct reply reply;
        int r = watch->ended;

        if (r != 0)
                return r;

        r = stream_step(watch->stream, &reply);
        if (r == PURSER_OK)
                r = take_reply(watch, &reply, ret);
        if (r != PURSER_OK && r != PURSER_E_AGAIN && r != PURSER_E_NO_DAEMON)
                watch->ended = r;
        return r;
}

int purser_watch_wait(struct purser_watch *watch, int milliseconds, struct purser_bundle **ret)
{
        uint64_t deadline;
        int r;

        deadline = milliseconds < 0 ? USEC_INFINITY
                                    : usec_add(link_now_usec(), (uint64_t)milliseconds * USEC_PER_MSEC);
        for (;;) {
                r = purser_watch_step(watch, ret);
                if (r != PURSER_E_AGAIN || link_now_usec() >= deadline)
                        return r;
                r = stream_wait(watch->stream, deadline);
                if (r < 0)
                        return handle_fault(watch->purser, r, "watching");
        }
}

/* The text is a copy, so that on_reply may use the handle. */
static int hand_over(const struct reply *reply, purser_reply_fn on_reply, void *data, int *ret)
{
        char *text = handle_copy_text(reply->parameters);

        if (!text)
                return fault(-ENOMEM);
        *ret = on_reply(data, text, reply->continues);
        purser_text_free(text);
        return 0;
}

int purser_call_more(struct purser *purser, const char *method, const char *parameters, unsigned flags,
                     purser_reply_fn on_reply, void *data)
{
        _cleanup_(stream_freep) struct stream *stream = NULL;
        uint64_t deadline = usec_add(link_now_usec(), purser->timeout_usec);
        struct reply reply;
        int r, answer = 0;

        r = stream_new(&stream, purser, method, parameters, flags & PURSER_CALL_IDEMPOTENT);
        while (r == PURSER_OK) {
                bool continues;

                r = stream_step(stream, &reply);
                if (r == PURSER_E_AGAIN) {
                        if (link_now_usec() >= deadline)
                                return link_result(purser, LINK_E_TIMEOUT, NULL);
                        r = stream_wait(stream, deadline);
                        if (r < 0)
                                return handle_fault(purser, r, "waiting for purserd");
                        continue;
                }
                if (r != PURSER_OK)
                        return r;
                if (reply.error.p)
                        return link_fail(purser, &reply);

                deadline = USEC_INFINITY;
                continues = reply.continues;
                r = hand_over(&reply, on_reply, data, &answer);
                if (r < 0)
                        return handle_fault(purser, r, "reading a reply");
                if (answer != 0)
                        return answer;
                if (!continues)
                        return handle_succeed(purser);
        }
        return r;
}
