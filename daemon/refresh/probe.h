/* The provider's test query, run with a credential's token: after a login, daily, and when asked. */
#pragma once

#include "daemon/vault/context.h"
#include "daemon/vault/credential.h"
#include "daemon/refresh/refresh.h"

struct prober;
struct probe_wait;

int prober_new(struct prober **ret, struct context *context, struct refresher *refresher);
struct prober *prober_free(struct prober *prober);
DEFINE_FREEP(struct prober *, prober_free)

/* Plans the daily tests: after refresher_plan_all(). */
void prober_plan_all(struct prober *prober);
void prober_plan(struct prober *prober, struct credential *credential);
/* The grant was replaced: a test under way begins anew with it, and the next one is planned. */
void prober_replaced(struct prober *prober, struct credential *credential);
/* Tests now, or joins the test in flight. on_done (never from within; NULL: nobody waits): credential->test holds the result. Its handle is the caller's; freeing it lets the test go on
 * unheard. A credential without a usable token, or a provider without a test, is answered by a result that says so. */
int prober_run(struct prober *prober, struct credential *credential, void (*on_done)(void *userdata),
               void *userdata, struct probe_wait **ret);
struct probe_wait *probe_wait_free(struct probe_wait *wait);
DEFINE_FREEP(struct probe_wait *, probe_wait_free)
/* Ends its test without a result; those who wait are told, from the loop. A credential that is freed is released by itself. */
void prober_release(struct prober *prober, struct credential *credential);
