/*
 * From a pending grant to one in its place: a token, the test, the promotion - or what is said where one of them fails. Each step ends in the next
 * one's callback; a login goes on when its caller leaves, since a grant may already have come of it.
 */
#include "daemon/login/login_internal.h"

#include "daemon/base/backoff.h"
#include "daemon/base/events.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct backoff pending_backoff = { .base_usec = 15 * USEC_PER_SEC,
                                                .max_usec = 900 * USEC_PER_SEC };

static void promote(struct login_op *op, struct credential *credential);

/* ---- the end ---- */

/* The pending grant is not wanted after all; a credential that was nothing but it goes, too. */
static void drop_pending(struct login_op *op, struct credential *credential)
{
        vault_drop_pending(op->logins->context->vault, credential);
        context_changed(op->logins->context, credential, false);
        vault_drop_shell(op->logins->context->vault, credential);
}

/*
 * Whoever began it was told nothing, and with no older grant nothing would be left that could tell: it stays, as refused. A record that does not open
 * is no place for it.
 */
static bool keep_refused(struct login_op *op, struct credential *credential, const char *reason)
{
        if (op->start != OP_RESUME || credential->refusal != REFUSAL_NEVER_AUTHORIZED ||
            credential->unreadable)
                return false;

        op->refused = strdup(reason);
        if (op->refused)
                promote(op, credential);
        return op->refused;
}

static void refuse_grant(struct login_op *op, struct credential *credential, const char *reason)
{
        char text[512];

        /* The reason lies in what is dropped. */
        snprintf(text, sizeof(text), "%s", reason && *reason ? reason : "The provider refuses the grant.");
        log_event(&(struct log_event){ .level = LOG_LEVEL_WARNING,
                                       .credential = op->credential,
                                       .client = op->client,
                                       .reason = text },
                  "The new grant for '%s' was refused: %s", op->credential, text);
        if (keep_refused(op, credential, text))
                return;
        drop_pending(op, credential);
        login_op_fail(op, LOGIN_GRANT_REFUSED, NULL, text, 0);
}

static void refuse_account(struct login_op *op, struct credential *credential)
{
        struct credential *pending = credential->pending;
        _cleanup_(freep) char *found_id = take_ptr(pending->account_id),
                              *found_name = take_ptr(pending->account_name);
        struct login_answer answer = { .verdict = LOGIN_ACCOUNT_MISMATCH,
                                       .name = op->credential,
                                       .reason = "The grant belongs to another account; nothing was changed.",
                                       .expected_id = credential->account_id,
                                       .expected_name = credential->account_name,
                                       .found_id = found_id,
                                       .found_name = found_name };

        log_event(&(struct log_event){ .message_id = EVENT_ACCOUNT_MISMATCH,
                                       .level = LOG_LEVEL_WARNING,
                                       .credential = op->credential,
                                       .client = op->client },
                  "A login for '%s' was given for account '%s', but the credential belongs to account '%s'; "
                  "nothing was changed.",
                  op->credential, found_id, credential->account_id);
        drop_pending(op, credential);
        login_op_finish(op, &answer);
}

static void on_retry(void *userdata)
{
        struct credential *pending = userdata;
        struct logins *logins = pending->logins;
        struct login_op *op;

        if (login_op_new(logins, OP_RESUME, pending->name, pending->client_name, NULL, NULL, NULL, &op) < 0)
                (void)timer_set(logins->context->timers, &pending->test_timer,
                                context_now(logins->context) + USEC_PER_SEC);
}

static void retry_later(struct logins *logins, struct credential *pending, unsigned attempt)
{
        struct context *context = logins->context;
        uint64_t pause = backoff_pause_usec(&pending_backoff, attempt, context_random(context));

        if (pause < pending->test_retry_after_usec)
                pause = pending->test_retry_after_usec;
        pending->logins = logins;
        timer_stop(context->timers, &pending->test_timer);
        timer_init(&pending->test_timer, on_retry, pending);
        (void)timer_set(context->timers, &pending->test_timer, context_now(context) + pause);
}

/* The test could not run, or did not show what it must: the grant is kept, and tested again. */
static void keep_pending(struct login_op *op, struct credential *credential)
{
        struct credential *pending = credential->pending;
        struct login_answer answer = { .verdict = LOGIN_PENDING,
                                       .credential = credential,
                                       .reason = pending->test.message };

        retry_later(op->logins, pending, pending->test_failures);
        context_changed(op->logins->context, credential, false);
        login_op_finish(op, &answer);
}

static void finish_refused(struct login_op *op, struct credential *credential)
{
        struct context *context = op->logins->context;

        credential->refusal = REFUSAL_REFUSED;
        free(credential->refusal_reason);
        credential->refusal_reason = take_ptr(op->refused);
        vault_save_facts(context->vault, credential);
        refresher_plan(op->logins->refresher, credential);
        context_changed(context, credential, false);
        log_event(&(struct log_event){ .message_id = EVENT_AUTHORIZATION_REQUIRED,
                                       .level = LOG_LEVEL_ERROR,
                                       .credential = credential->name,
                                       .client = credential->client_name,
                                       .reason = credential->refusal_reason },
                  "Credential '%s' needs an authorization: %s To mend it: purser login %s", credential->name,
                  credential->refusal_reason, credential->name);
        login_op_fail(op, LOGIN_GRANT_REFUSED, NULL, credential->refusal_reason, 0);
}

static void on_promoted(int result, void *userdata)
{
        struct login_op *op = userdata;
        struct logins *logins = op->logins;
        struct credential *credential = vault_find(logins->context->vault, op->credential);
        struct login_answer answer = { .verdict = result < 0 ? LOGIN_NOT_SAVED : LOGIN_ACTIVE,
                                       .credential = credential };
        struct diag text = DIAG_INIT;

        op->write = NULL;
        if (!credential) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "The credential was forgotten meanwhile.", 0);
                return;
        }

        if (op->refused) {
                finish_refused(op, credential);
                return;
        }
        refresher_replaced(logins->refresher, credential);
        prober_replaced(logins->prober, credential);
        log_event(&(struct log_event){ .message_id = EVENT_AUTHORIZED,
                                       .level = LOG_LEVEL_NOTICE,
                                       .credential = credential->name,
                                       .client = credential->client_name,
                                       .generation = credential->grant.generation },
                  "Credential '%s' is authorized for account %s%s%s.", credential->name,
                  credential->account_id ? credential->account_id : "(unknown)",
                  credential->account_name ? ", " : "",
                  credential->account_name ? credential->account_name : "");
        if (result < 0) {
                const char *problem = vault_store_problem(logins->context->vault);
                diag_set(&text,
                         "The login worked and its token is served, but it could not be saved (%s): a "
                         "restart now would lose it. "
                         "purserd keeps trying.",
                         problem ? problem : strerror(-result));
                answer.reason = text.text;
        }
        login_op_finish(op, &answer);
}

static void promote(struct login_op *op, struct credential *credential)
{
        struct logins *logins = op->logins;
        int r;

        /* From here on another login has a pending grant of its own. */
        op->holds_pending = false;
        prober_release(logins->prober, credential->pending);
        refresher_hold(logins->refresher, credential->pending);
        refresher_hold(logins->refresher, credential);
        r = vault_promote(logins->context->vault, credential, on_promoted, op, &op->write);
        if (r < 0)
                on_promoted(r, op);
}

/* ---- the test ---- */

static bool shows_another_account(const struct credential *credential)
{
        const struct credential *pending = credential->pending;

        return credential->account_id && pending->account_id && !pending->switch_account &&
               strcmp(credential->account_id, pending->account_id) != 0;
}

/* The credential has an account, and the test was to show one, and did not. */
static bool shows_no_account(const struct credential *credential)
{
        const struct credential *pending = credential->pending;

        return credential->account_id && !pending->account_id && !pending->switch_account &&
               pending->client && pending->client->provider->api.account_id;
}

/* It may be the right one: a person who knows can say so. */
static void keep_stranger(struct login_op *op, struct credential *credential)
{
        struct test_result *test = &credential->pending->test;

        test->verdict = API_TRY_AGAIN;
        login_replace_text(
                &test->message,
                "The API answered without telling whose account this is: to take the grant all the same, "
                "log in again with --switch-account.");
        keep_pending(op, credential);
}

static void on_tested(void *userdata)
{
        struct login_op *op = userdata;
        struct credential *credential = vault_find(op->logins->context->vault, op->credential);

        op->probe_wait = probe_wait_free(op->probe_wait);
        if (!credential || !credential->pending) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "The credential was forgotten meanwhile.", 0);
                return;
        }
        /* A test that was cut short shows nothing. */
        if (!credential->pending->test.tested_wall_usec)
                credential->pending->test.verdict = API_TRY_AGAIN;

        switch (credential->pending->test.verdict) {
        case API_OK:
        case API_VERSION_UNSUPPORTED:
                if (shows_another_account(credential))
                        refuse_account(op, credential);
                else if (shows_no_account(credential))
                        keep_stranger(op, credential);
                else
                        promote(op, credential);
                break;
        case API_AUTHORIZATION_REQUIRED:
                refuse_grant(op, credential, credential->pending->test.message);
                break;
        case API_TOKEN_REJECTED:
        case API_TRY_AGAIN:
                keep_pending(op, credential);
                break;
        }
}

static void test_pending(struct login_op *op)
{
        struct credential *credential = vault_find(op->logins->context->vault, op->credential);

        if (prober_run(op->logins->prober, credential->pending, on_tested, op, &op->probe_wait) == 0)
                return;

        retry_later(op->logins, credential->pending, 1);
        login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                      "Saved, but the test could not be begun for want of memory; it is tried again.", 0);
}

/* ---- a token for the test ---- */

/* Its access token has ended or was rejected, and there is no other way to a new one. */
static bool has_ended(const struct credential *pending, enum token_verdict verdict)
{
        return verdict == TOKEN_AUTHORIZATION_REQUIRED && !pending->grant.refresh_token &&
               !pending->unreadable;
}

static void on_refreshed(const struct token_answer *answer, void *userdata)
{
        struct login_op *op = userdata;
        struct credential *credential = vault_find(op->logins->context->vault, op->credential);
        struct credential *pending = credential ? credential->pending : NULL;

        op->waiter = waiter_free(op->waiter);
        if (!pending) {
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL, "The credential was forgotten meanwhile.", 0);
        } else if (answer->verdict == TOKEN_READY) {
                test_pending(op);
        } else if (pending->refusal != REFUSAL_NONE) {
                refuse_grant(op, credential, pending->refusal_reason);
        } else if (has_ended(pending, answer->verdict)) {
                refuse_grant(op, credential, answer->reason);
        } else {
                retry_later(op->logins, pending, pending->failures);
                login_op_fail(op, pending->client_refused ? LOGIN_CLIENT_REFUSED : LOGIN_UNAVAILABLE,
                              op->client, answer->reason, answer->retry_after_usec);
        }
}

void login_op_ensure_token(struct login_op *op, struct credential *pending)
{
        struct logins *logins = op->logins;
        struct token_answer answer;
        int r;

        if (credential_remaining_usec(pending, context_now(logins->context))) {
                test_pending(op);
                return;
        }

        /* Nobody who ordered it waits: it must not wear out the old token after a lost answer, nor override a pause. */
        if (op->call)
                r = refresher_force(logins->refresher, pending, on_refreshed, op, &answer, &op->waiter);
        else
                r = refresher_try(logins->refresher, pending, on_refreshed, op, &answer, &op->waiter);
        if (r == 0) {
                on_refreshed(&answer, op);
        } else if (r < 0) {
                retry_later(logins, pending, 1);
                login_op_fail(op, LOGIN_UNAVAILABLE, NULL,
                              "Saved, but not refreshed for want of memory; it is tried again.", 0);
        }
}
