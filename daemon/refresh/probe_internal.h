/* What probe.c (the steps of one test), probe_plan.c (when) and probe_result.c (what it shows) share; nobody else includes it. */
#pragma once

#include "daemon/protocol/api.h"
#include "daemon/refresh/probe.h"
#include "daemon/vault/vault.h"

struct prober {
        struct context *context;
        struct refresher *refresher;
        struct vault_listener listener;
        struct probe *probes; /* those under way */
        struct probe_wait *telling; /* whose test is over, and who are being told */
        struct timer tell_timer;
};

struct probe_wait {
        void (*on_done)(void *userdata);
        void *userdata;
        struct probe_wait **list; /* the list that it is on; NULL: told, or its test ended unheard */
        struct probe_wait *next;
};

/* One test under way: a token, the request, and the answer; once more after the API rejected the token. */
struct probe {
        struct prober *prober;
        struct credential *credential;
        struct timer begin; /* so that nothing is told from within prober_run() */
        struct waiter *waiter;
        struct http_transfer *transfer;
        bool again; /* the first token was rejected */
        uint64_t generation; /* whose token was sent */
        char *api_version; /* asked for */
        struct probe_wait *waits;
        struct probe *next;
};

void probe_store_result(struct probe *probe, const struct api_answer *answer);
void probe_set_text(char **text, const char *value);
