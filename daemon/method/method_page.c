/*
 * Lists that may be long, in pages: `after` is the last name of the page before, `most` how many there may be. A message has its limits,
 * and everybody else waits while it is made: what does not fit is refused in words rather than cut off.
 */
#include "daemon/method/method_internal.h"

#include <errno.h>

enum { PAGE_MOST = 2000 }; /* as the interface says */

struct paging {
        struct service *service;
        struct call *call;
        bool admin; /* sees all of them */
        json_t *(*describe)(const struct credential *credential, const struct now *now);
        struct now now;
        json_t *array;
};

static bool is_wanted(const struct credential *credential, void *userdata)
{
        struct paging *paging = userdata;

        return paging->admin || call_may_use(paging->service, paging->call, credential);
}

static int add_one(struct credential *credential, void *userdata)
{
        struct paging *paging = userdata;

        return json_array_append_new(paging->array, paging->describe(credential, &paging->now)) < 0
                       ? fault(-ENOMEM)
                       : 0;
}

static int refuse(struct call *call, const char *reason)
{
        int r = reply_invalid(call, "most", reason);

        return r < 0 ? r : METHOD_E_ANSWERED;
}

int page_make(struct service *service, struct call *call, const struct page *page, bool admin,
              json_t *(*describe)(const struct credential *credential, const struct now *now), json_t **ret)
{
        _cleanup_(json_decrefp) json_t *array = json_array();
        struct paging paging = { service, call, admin, describe, service_now(service), array };
        size_t most = page->most.given ? (size_t)page->most.value : PAGE_MOST + 1;
        int r;

        if (!array)
                return fault(-ENOMEM);
        if (page->most.given && (page->most.value < 1 || page->most.value > PAGE_MOST))
                return refuse(call, "It must be from 1 to 2000.");
        r = vault_each_after(service->parts.context->vault, page->after, most, is_wanted, add_one, &paging);
        if (r < 0)
                return r;
        if (json_array_size(array) > PAGE_MOST)
                return refuse(call, "There are more than 2000: ask for fewer at a time, and then for those "
                                    "after the last name.");
        *ret = take_ptr(array);
        return 0;
}
