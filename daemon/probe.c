#include "daemon/probe.h"

#include "daemon/api.h"
#include "daemon/backoff.h"
#include "daemon/events.h"
#include "daemon/http.h"
#include "daemon/log.h"
#include "daemon/vault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct backoff probe_backoff = { .base_usec = 60 * USEC_PER_SEC,
                                              .max_usec = 3600 * USEC_PER_SEC };

struct prober {
        struct context *context;
        struct refresher *refresher;
        struct probe *probes; /* those under way */
        struct probe_wait *telling; /* whose test is over, and who are being told */
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
        char *api_version; /* asked for */
        struct probe_wait *waits;
        struct probe *next;
};

int prober_new(struct prober **ret, struct context *context, struct refresher *refresher)
{
        struct prober *prober = calloc(1, sizeof(*prober));

        if (!prober)
                return fault(-ENOMEM);

        prober->context = context;
        prober->refresher = refresher;
        *ret = prober;
        return 0;
}

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

static void probe_free(struct probe *probe)
{
        struct probe **at = &probe->prober->probes;

        while (*at && *at != probe)
                at = &(*at)->next;
        if (*at)
                *at = probe->next;

        while (probe->waits)
                wait_unlink(probe->waits);
        probe->credential->probe = NULL;
        timer_stop(probe->prober->context->timers, &probe->begin);
        waiter_free(probe->waiter);
        http_transfer_free(probe->transfer);
        free(probe->api_version);
        free(probe);
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

        while (prober->probes)
                probe_free(prober->probes);
        (void)vault_each(prober->context->vault, false, stop_timer, prober);
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
        timer_stop(prober->context->timers, &credential->test_timer);
        if (credential->probe)
                probe_free(credential->probe);
}

/* ---- planning ---- */

static void on_test_due(void *userdata)
{
        struct credential *credential = userdata;

        (void)prober_run(credential->prober, credential, NULL, NULL, NULL);
}

static bool is_testable(const struct credential *credential)
{
        return credential->client && credential->refusal == REFUSAL_NONE && !credential->is_pending &&
               (credential->grant.access_token || credential->grant.refresh_token) &&
               api_has_test(credential->client->provider);
}

void prober_plan(struct prober *prober, struct credential *credential)
{
        const struct context *context = prober->context;
        uint64_t every = context->config->refresh.test_every_usec, now = context_now(context),
                 due = USEC_INFINITY;
        int64_t since;

        if (credential->is_pending)
                return; /* login.c tests those */

        credential->prober = prober;
        if (every && is_testable(credential)) {
                since = clock_wall_usec(context->clock) - credential->test.tested_wall_usec;
                if (credential->test_failures)
                        due = now + backoff_pause_usec(&probe_backoff, credential->test_failures,
                                                       context_random(context));
                else if (!credential->test.tested_wall_usec || since < 0 || (uint64_t)since >= every)
                        due = now + context_random(context) % (every / 24 + 1);
                else
                        due = now + every - (uint64_t)since -
                              context_random(context) % ((every - (uint64_t)since) / 10 + 1);
        }
        credential->test_timer.on_due = on_test_due;
        credential->test_timer.userdata = credential;
        (void)timer_set(context->timers, &credential->test_timer, due);
}

static int plan_one(struct credential *credential, void *userdata)
{
        prober_plan(userdata, credential);
        return 0;
}

void prober_plan_all(struct prober *prober)
{
        (void)vault_each(prober->context->vault, false, plan_one, prober);
}

/* ---- results ---- */

static void set_text(char **text, const char *value)
{
        free(*text);
        *text = value && *value ? strdup(value) : NULL;
}

static void tell_version(const struct credential *credential, enum version_state before)
{
        const struct test_result *test = &credential->test;
        struct log_event event = { .message_id = EVENT_VERSION,
                                   .level = LOG_LEVEL_WARNING,
                                   .credential = credential->name,
                                   .client = credential->client_name,
                                   .reason = test->version_warning };

        if (test->version_state == before)
                return;
        if (test->version_state == VERSION_OK || test->version_state == VERSION_NONE)
                event.level = LOG_LEVEL_NOTICE;
        log_event(&event, "The API version of '%s' is now '%s': %s%s%s", credential->name,
                  version_state_name(test->version_state), test->message ? test->message : "",
                  test->version_warning ? " The provider says: " : "",
                  test->version_warning ? test->version_warning : "");
}

/* The account is shown once and then remembered; another one later on is told, and changes nothing. */
static void note_account(struct credential *credential, const struct api_answer *answer)
{
        if (!answer->account_id)
                return;
        if (credential->account_id && strcmp(credential->account_id, answer->account_id) != 0 &&
            !credential->is_pending) {
                log_event(&(struct log_event){ .message_id = EVENT_ACCOUNT_MISMATCH,
                                               .level = LOG_LEVEL_ERROR,
                                               .credential = credential->name,
                                               .client = credential->client_name },
                          "The test of '%s' shows account '%s', but its grant was given for account '%s'.",
                          credential->name, answer->account_id, credential->account_id);
                return;
        }

        set_text(&credential->account_id, answer->account_id);
        set_text(&credential->account_name, answer->account_name);
}

static void store_result(struct probe *probe, const struct api_answer *answer)
{
        struct credential *credential = probe->credential;
        struct test_result *test = &credential->test;
        enum version_state before = test->version_state;

        test->tested_wall_usec = clock_wall_usec(probe->prober->context->clock);
        test->verdict = answer->verdict;
        set_text(&test->message, answer->message);
        set_text(&test->api_version, probe->api_version);

        /* What could not be asked says nothing about the version. */
        if (answer->verdict == API_OK || answer->verdict == API_VERSION_UNSUPPORTED) {
                test->version_state = answer->version_state;
                set_text(&test->served_version, answer->served_version);
                set_text(&test->version_warning, answer->version_warning);
                tell_version(credential, before);
                note_account(credential, answer);
        }
}

static void finish(struct probe *probe, const struct api_answer *answer)
{
        struct prober *prober = probe->prober;
        struct credential *credential = probe->credential;

        store_result(probe, answer);
        credential->test_failures = answer->verdict == API_TRY_AGAIN ? credential->test_failures + 1 : 0;
        vault_save_facts(prober->context->vault, credential);

        while (probe->waits) {
                struct probe_wait *wait = probe->waits;
                wait_unlink(wait);
                wait_link(wait, &prober->telling);
        }
        probe_free(probe);
        prober_plan(prober, credential);
        context_changed(prober->context, credential, false);
        if (answer->verdict == API_AUTHORIZATION_REQUIRED && !credential->is_pending)
                refresher_cut(prober->refresher, credential, answer->message);

        /* What a callback does may free the credential, and other waits. */
        while (prober->telling) {
                struct probe_wait *wait = prober->telling;
                wait_unlink(wait);
                wait->on_done(wait->userdata);
        }
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
                refresher_reject(probe->prober->refresher, credential);
                ask_for_token(probe);
                return;
        }
        finish(probe, &answer);
}

static void send_test(struct probe *probe)
{
        struct credential *credential = probe->credential;
        struct context *context = probe->prober->context;
        const struct provider *provider = credential->client->provider;
        struct http_request *request;
        int r;

        set_text(&probe->api_version, credential_api_version(credential));
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
        bool rejected = credential->rejected_generation &&
                        credential->rejected_generation == credential->grant.generation;
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
