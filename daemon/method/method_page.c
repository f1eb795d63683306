/*
 * Lists that may be long, in pages: `after` is the last name of the page before, `most` how many there may be. A message has its limits: what
 * does not fit is refused in words rather than cut off. A page is made a few credentials at a time, so that nobody else waits for it,
 * and each of them is as it is when its turn comes.
 */
#include "daemon/method/method_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
        PAGE_MOST = 2000, /* as the interface says */
        STEP_DESCRIBED = 32, /* a millisecond or so */
        STEP_LOOKED_AT = 1024, /* of those that the caller may not use */
};

struct paging {
        struct service *service;
        struct call *call;
        struct vault_cursor cursor;
        size_t left; /* how many more there may be */
        bool admin; /* sees all of them */
        describe_fn *describe;
        struct now now; /* of the step */
        size_t n_step; /* that were described in it */
        size_t n;
        struct secret_buf message; /* as far as it is made */
};

enum { PAGING_PAUSE = 1 };

static int put(struct paging *paging, const struct credential *credential)
{
        _cleanup_(json_decrefp) json_t *value = paging->describe(credential, &paging->now);
        int r;

        if (!value)
                return fault(-ENOMEM);
        r = paging->n > 0 ? secret_buf_append_string(&paging->message, ",") : 0;
        return r == 0 ? wire_append_value(&paging->message, value) : r;
}

static int add_one(struct credential *credential, void *userdata)
{
        struct paging *paging = userdata;
        int r;

        if (!paging->admin && !call_may_use(paging->service, paging->call, credential))
                return 0;
        r = put(paging, credential);
        if (r < 0)
                return r;
        paging->n++;
        paging->left--;
        return ++paging->n_step == STEP_DESCRIBED || paging->left == 0 ? PAGING_PAUSE : 0;
}

static int refuse(struct call *call, const char *reason)
{
        int r = reply_invalid(call, "most", reason);

        return r < 0 ? r : METHOD_E_ANSWERED;
}

static int refuse_many(struct call *call)
{
        return refuse(call, "There are more than 2000: ask for fewer at a time, and then for those after the "
                            "last name.");
}

static int begin_message(struct secret_buf *message, const json_t *daemon)
{
        int r = secret_buf_append_string(message,
                                         daemon ? "{\"parameters\":{\"daemon\":" : "{\"parameters\":{");

        if (r == 0 && daemon)
                r = wire_append_value(message, daemon);
        return r == 0 ? secret_buf_append_string(message, daemon ? ",\"credentials\":[" : "\"credentials\":[")
                      : r;
}

int paging_new(struct paging **ret, struct service *service, struct call *call, const struct page *page,
               const json_t *daemon, describe_fn *describe)
{
        _cleanup_(paging_freep) struct paging *paging = NULL;
        bool admin = daemon;
        int r;

        if (page->most.given && (page->most.value < 1 || page->most.value > PAGE_MOST))
                return refuse(call, "It must be from 1 to 2000.");
        if (!page->most.given && admin && !page->after &&
            vault_count_loaded(service->parts.context->vault) > PAGE_MOST)
                return refuse_many(call);
        paging = malloc(sizeof(*paging));
        if (!paging)
                return fault(-ENOMEM);
        *paging = (struct paging){
                .service = service,
                .call = call,
                .left = page->most.given ? (size_t)page->most.value : PAGE_MOST + 1,
                .admin = admin,
                .describe = describe,
                .message = SECRET_BUF_INIT(2 * WIRE_MESSAGE_MAX),
        };
        /* No name is longer, and so this one has the same names behind it. */
        snprintf(paging->cursor.after, sizeof(paging->cursor.after), "%s", page->after ? page->after : "");
        r = begin_message(&paging->message, daemon);
        if (r < 0)
                return r;
        *ret = take_ptr(paging);
        return 0;
}

int paging_step(struct paging *paging)
{
        int r;

        paging->now = service_now(paging->service);
        paging->n_step = 0;
        r = vault_walk(paging->service->parts.context->vault, &paging->cursor, STEP_LOOKED_AT, add_one,
                       paging);
        if (r < 0)
                return r;
        if (paging->n > PAGE_MOST)
                return refuse_many(paging->call);
        return paging->left > 0 && !paging->cursor.at_end ? METHOD_E_MORE : 0;
}

int paging_send(struct paging *paging, bool continues)
{
        int r = secret_buf_append_string(&paging->message, continues ? "]},\"continues\":true}" : "]}}");

        if (r == 0)
                call_send(paging->call, paging->message.data, paging->message.n, continues);
        return r;
}

struct paging *paging_free(struct paging *paging)
{
        if (paging)
                secret_buf_done(&paging->message);
        free(paging);
        return NULL;
}
