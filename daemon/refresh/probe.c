/* One test: a token, the request, the answer, and those who wait for it. */
#include "daemon/refresh/probe_internal.h"

#include "daemon/protocol/api.h"
#include "daemon/http/http.h"
#include "daemon/vault/vault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void wait_unlink(struct probe_wait *wait)
{
        struct probe_wait **at = wait->list;

        while (at && *at && *at != wait)
                at = &(*at)->next;
        if (at && *at)
                *at = wait->next;
        wait->list = NULL;
        wait->next = NULL;
}

static void wait_link(struct probe_wait *wait, struct probe_wait **list)
{
        wait->list = list;
        wait->next = *list;
        *list = wait;
}

/* What a callback does may free the credential, and other waits. */
static void tell_all(void *userdata)
{
        struct prober *prober = userdata;

        while (prober->telling) {
                struct probe_wait *wait = prober->telling;
                wait_unlink(wait);
                wait->on_done(wait->userdata);
        }
}

/* Ends it; those who wait for it are told next. */
static void probe_free(struct probe *probe)
{
        struct prober *prober = probe->prober;
        struct probe **at = &prober->probes;

        while (*at && *at != probe)
                at = &(*at)->next;
        if (*at)
                *at = probe->next;

        while (probe->waits) {
                struct probe_wait *wait = probe->waits;
                wait_unlink(wait);
                wait_link(wait, &prober->telling);
        }
        probe->credential->probe = NULL;
        timer_stop(prober->context->timers, &probe->begin);
        waiter_free(probe->waiter);
        http_transfer_free(probe->transfer);
        free(probe->api_version);
        free(probe);
}

static void on_gone(struct credential *credential, void *userdata)
{
        prober_release(userdata, credential);
}

int prober_new(struct prober **ret, struct context *context, struct refresher *refresher)
{
        struct prober *prober = calloc(1, sizeof(*prober));

        if (!prober)
                return fault(-ENOMEM);

        prober->context = context;
        prober->refresher = refresher;
        timer_init(&prober->tell_timer, tell_all, prober);
        prober->listener = (struct vault_listener){ .on_gone = on_gone, .userdata = prober };
        vault_listen(context->vault, &prober->listener);
        *ret = prober;
        return 0;
}

static int stop_timer(struct credential *credential, void *userdata)
{
        struct prober *prober = userdata;

        timer_stop(prober->context->timers, &credential->test_timer);
        if (credential->pending)
                timer_stop(prober->context->timers, &credential->pending->test_timer);
        return 0;
}

struct prober *prober_free(struct prober *prober)
{
        if (!prober)
                return NULL;

        vault_unlisten(prober->context->vault, &prober->listener);
        while (prober->probes)
                probe_free(prober->probes);
        while (prober->telling)
                wait_unlink(prober->telling);
        timer_stop(prober->context->timers, &prober->tell_timer);
        (void)vault_each_loaded(prober->context->vault, stop_timer, prober);
        free(prober);
        return NULL;
}

struct probe_wait *probe_wait_free(struct probe_wait *wait)
{
        if (!wait)
                return NULL;

        wait_unlink(wait);
        free(wait);
        return NULL;
}

void prober_release(struct prober *prober, struct credential *credential)
{
        struct context *context = prober->context;

        timer_stop(context->timers, &credential->test_timer);
        if (credential->probe)
                probe_free(credential->probe);
        if (prober->telling && !timer_is_armed(&prober->tell_timer))
                (void)timer_set(context->timers, &prober->tell_timer, context_now(context));
}

/* A pending one that is tested again has not shown what it must, whatever the API says: it waits longer each time. */
static bool counts_as_failure(const struct credential *credential, const struct api_answer *answer)
{
        return credential->is_pending || answer->verdict == API_TRY_AGAIN;
}

static void finish(struct probe *probe, const struct api_answer *answer)
{
        struct prober *prober = probe->prober;
        struct credential *credential = probe->credential;

        probe_store_result(probe, answer);
        credential->test_failures = counts_as_failure(credential, answer) ? credential->test_failures + 1 : 0;
        credential->test_retry_after_usec = answer->retry_after_usec;
        vault_save_facts(prober->context->vault, credential);
        probe_free(probe);
        prober_plan(prober, credential);
        context_changed(prober->context, credential, false);
        tell_all(prober);
}

static void finish_with(struct probe *probe, enum api_verdict verdict, const char *message)
{
        struct api_answer answer = { .verdict = verdict, .version_state = VERSION_NONE };

        snprintf(answer.message, sizeof(answer.message), "%s", message);
        finish(probe, &answer);
}

/* ---- the steps ---- */

static void ask_for_token(struct probe *probe);

static void on_response(const struct http_response *response, void *userdata)
{
        _cleanup_(api_answer_done) struct api_answer answer = { 0 };
        struct probe *probe = userdata;
        struct credential *credential = probe->credential;

        probe->transfer = http_transfer_free(probe->transfer);
        if (!credential->client) {
                finish_with(probe, API_TRY_AGAIN,
                            "The configuration lost its client while the test was under way.");
                return;
        }
        if (api_read_test_answer(credential->client->provider, probe->api_version, response, &answer) < 0) {
                finish_with(probe, API_TRY_AGAIN, "Out of memory while the test's answer was read.");
                return;
        }
        if (answer.verdict == API_TOKEN_REJECTED && !probe->again) {
                probe->again = true;
                /* It may have been replaced while the test was under way. */
                if (probe->generation == credential->grant.generation)
                        refresher_reject(probe->prober->refresher, credential);
                ask_for_token(probe);
                return;
        }
        /* Only the API's own word ends a grant; that there is no token to ask with does not. */
        if (answer.verdict == API_AUTHORIZATION_REQUIRED && !credential->is_pending)
                refresher_cut(probe->prober->refresher, credential, answer.message);
        finish(probe, &answer);
}

static void send_test(struct probe *probe)
{
        struct credential *credential = probe->credential;
        struct context *context = probe->prober->context;
        const struct provider *provider = credential->client->provider;
        struct http_request *request;
        int r;

        probe->generation = credential->grant.generation;
        probe_set_text(&probe->api_version, credential_api_version(credential));
        r = api_test_request(provider, probe->api_version, credential->grant.token_type,
                             credential->grant.access_token, &request);
        if (r == 0)
                r = http_start(context->http, request, provider->api.served_version_header,
                               context->config->refresh.timeout_usec, on_response, probe, &probe->transfer);
        if (r < 0)
                finish_with(probe, API_TRY_AGAIN, "The test could not be sent for want of memory.");
}

static void on_token(const struct token_answer *answer, void *userdata)
{
        struct probe *probe = userdata;

        probe->waiter = waiter_free(probe->waiter);
        if (answer->verdict == TOKEN_READY && probe->credential->client)
                send_test(probe);
        else
                finish_with(probe,
                            answer->verdict == TOKEN_AUTHORIZATION_REQUIRED ? API_AUTHORIZATION_REQUIRED
                                                                            : API_TRY_AGAIN,
                            answer->reason);
}

static void ask_for_token(struct probe *probe)
{
        struct credential *credential = probe->credential;
        struct refresher *refresher = probe->prober->refresher;
        bool rejected = credential_is_rejected(credential) && credential->grant.access_token;
        struct token_demand demand = { .rejected = rejected ? secret_expose(credential->grant.access_token)
                                                            : NULL };
        struct token_answer answer;
        int r;

        r = refresher_ask(refresher, credential, &demand, on_token, probe, &answer, &probe->waiter);
        if (r == 0)
                on_token(&answer, probe);
        else if (r < 0)
                finish_with(probe, API_TRY_AGAIN, "The test could not be begun for want of memory.");
}

static void on_begin(void *userdata)
{
        struct probe *probe = userdata;
        struct credential *credential = probe->credential;

        if (!credential->client)
                finish_with(probe, API_TRY_AGAIN, "Its client is not in the configuration.");
        else if (!api_has_test(credential->client->provider))
                finish_with(probe, API_OK, "The provider file names no test query, so nothing was asked.");
        else
                ask_for_token(probe);
}

void prober_replaced(struct prober *prober, struct credential *credential)
{
        struct context *context = prober->context;
        struct probe *probe = credential->probe;

        if (!probe) {
                prober_plan(prober, credential);
                return;
        }

        probe->waiter = waiter_free(probe->waiter);
        probe->transfer = http_transfer_free(probe->transfer);
        probe->again = false;
        if (timer_set(context->timers, &probe->begin, context_now(context)) < 0)
                finish_with(probe, API_TRY_AGAIN, "The test could not be begun for want of memory.");
}

static int require_probe(struct prober *prober, struct credential *credential)
{
        struct probe *probe;
        int r;

        if (credential->probe)
                return 0;

        probe = calloc(1, sizeof(*probe));
        if (!probe)
                return fault(-ENOMEM);
        probe->prober = prober;
        probe->credential = credential;
        timer_init(&probe->begin, on_begin, probe);
        r = timer_set(prober->context->timers, &probe->begin, context_now(prober->context));
        if (r < 0) {
                free(probe);
                return r;
        }

        timer_stop(prober->context->timers, &credential->test_timer);
        credential->prober = prober;
        credential->probe = probe;
        probe->next = prober->probes;
        prober->probes = probe;
        return 0;
}

int prober_run(struct prober *prober, struct credential *credential, void (*on_done)(void *userdata),
               void *userdata, struct probe_wait **ret)
{
        struct probe_wait *wait = NULL;
        int r;

        if (on_done) {
                wait = calloc(1, sizeof(*wait));
                if (!wait)
                        return fault(-ENOMEM);
        }
        r = require_probe(prober, credential);
        if (r < 0) {
                free(wait);
                return r;
        }
        if (wait) {
                wait->on_done = on_done;
                wait->userdata = userdata;
                wait_link(wait, &credential->probe->waits);
                *ret = wait;
        }
        return 0;
}
