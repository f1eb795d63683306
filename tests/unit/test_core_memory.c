// links: daemon/login/
// libs: libsodium jansson yaml-0.1 libsystemd
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath,--wrap=asprintf
// ldflags: -Wl,--wrap=secret_new,--wrap=secret_copy,--wrap=secret_new_string,--wrap=secret_buf_reserve,--wrap=secret_buf_append
/*
 * Memory runs out once, at every allocation of every operation in turn: nothing crashes or leaks (AddressSanitizer tells), and a grant that lives is
 * there when all is over.
 */
#include "tests/beds/fake_idp.h"
#include "tests/beds/out_of_memory.h"

#include "common/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory that runs out ---- */

/* Beside the allocations that tests/beds/out_of_memory.c wraps, those of secret memory. */
#define WRAP(type, name, arguments, values, failure)                                                         \
        type __real_##name arguments;                                                                        \
        type __wrap_##name arguments;                                                                        \
        type __wrap_##name arguments                                                                         \
        {                                                                                                    \
                return out_of_memory_now() ? (failure) : __real_##name values;                               \
        }

WRAP(int, secret_new, (struct secret * *ret, const void *bytes, size_t n), (ret, bytes, n), fault(-ENOMEM))
WRAP(int, secret_copy, (struct secret * *ret, const struct secret *secret), (ret, secret), fault(-ENOMEM))
WRAP(int, secret_new_string, (struct secret * *ret, const char *string), (ret, string), fault(-ENOMEM))
WRAP(int, secret_buf_reserve, (struct secret_buf * buf, size_t more), (buf, more), fault(-ENOMEM))
WRAP(int, secret_buf_append, (struct secret_buf * buf, const void *bytes, size_t n), (buf, bytes, n),
     fault(-ENOMEM))

/* ---- operations ---- */

static struct core core;

static const char providers[] =
        "  revoking: {extends: idp, revocation_endpoint: https://idp.test/revoke}\n"
        "  found: {issuer: 'https://id.test'}\n"
        "  pushing: {extends: idp, pushed_authorization_request_endpoint: "
        "https://idp.test/par, device_authorization_endpoint: https://idp.test/device}\n"
        "  ending: {extends: idp, revocation: {method: request, url: "
        "'https://idp.test/revoke/{refresh_token}', authentication: none, headers: {X-Client: "
        "'{client_id}'}, parameters: {token: '{refresh_token}'}}}\n";
static const char clients[] =
        "  revoker: {provider: revoking, client_id: r, client_secret: {store: true}}\n"
        "  pusher: {provider: pushing, client_id: p, client_secret: {store: true}, redirect_uri: "
        "'http://127.0.0.1:8723/callback'}\n"
        "  ender: {provider: ending, client_id: e, client_secret: {store: true}}\n"
        "refresh: {test: off}\n";

static struct credential *acme(void)
{
        return vault_find(core.context.vault, "acme");
}

/* Until there is nothing to do. */
static void go_on(void)
{
        for (int turn = 0; turn < 1000; turn++) {
                core_run(&core);
                if (fake_store_n_queued(core.store))
                        fake_store_complete(core.store, 0);
                else if (fake_http_n_in_flight(core.context.http))
                        fake_idp_answer(&core);
                else
                        return;
        }
        fail_msg("it goes on for ever");
}

/* Twenty minutes in which memory is there again. */
static void live_on(void)
{
        for (int i = 0; i < 80; i++) {
                go_on();
                core_advance(&core, 15);
        }
        go_on();
}

static void give_secret(const char *client)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, "the-client-secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, client, secret, NULL, NULL, &write), 0);
        core_save(&core);
}

static void give_old_grant(const char *client)
{
        struct credential *credential = core_give_grant(&core, "acme", "a-0", "access-a-0", 3600);

        free(credential->client_name);
        credential->client_name = strdup(client);
        credential->account_id = strdup("one");
        vault_rebind(core.context.vault, credential);
        vault_save_facts(core.context.vault, credential);
        core_save(&core);
        refresher_plan(core.refresher, credential);
}

static void expect_alive(void)
{
        const char *token;
        struct asker asker;

        assert_non_null(acme());
        token = core_refresh_token(acme());
        assert_int_equal(credential_state(acme(), core.clock.boot_usec), CREDENTIAL_ACTIVE);
        assert_int_equal(atoi(token + 2), fake_idp_newest(token[0]));
        core_ask(&core, acme(), NULL, &asker);
        assert_int_equal(asker.answer.verdict, TOKEN_READY);
}

static void expect_nothing_stray(size_t failing)
{
        static const char *const passing_kinds[] = { "intent", "pending-facts", "pending-grant",
                                                     "pending-intent" };

        for (size_t i = 0; i < 4; i++)
                if (fake_disk_find(core.disk, passing_kinds[i], "acme", NULL))
                        fail_msg("a stray %s (allocation %zu)", passing_kinds[i], failing);
        assert_int_equal(vault_unsaved(core.context.vault), 0);
        assert_null(vault_store_problem(core.context.vault));
        if (acme())
                assert_false(acme()->facts_unsaved || acme()->held || acme()->leaving);
}

/* The same again from what is on disk. */
static void expect_the_same_after_a_restart(bool alive)
{
        core_crash(&core);
        core_start(&core);
        go_on();
        if (!alive)
                assert_null(acme());
        else if (!fake_idp_is_revoked(
                         'a')) /* else the answer found no memory: the next logout says that it is over */
                expect_alive();
}

struct operation {
        const char *client;
        bool ends; /* the grant, when all goes well */
        void (*run)(void);
};

/* Returns how many allocations there were. */
static size_t fail_everywhere(const struct operation *operation)
{
        size_t n = 0;

        for (bool all = false; !all; n++) {
                core_setup_with_provider(&core, providers, clients);
                fake_idp_start(true);
                give_secret(operation->client);
                give_old_grant(operation->client);
                out_of_memory_at(n);
                operation->run();
                go_on();
                all = !out_of_memory_end();

                live_on();
                expect_nothing_stray(n);
                if (!operation->ends)
                        expect_alive();
                if (all)
                        assert_int_equal(!acme(), operation->ends);
                expect_the_same_after_a_restart(acme());
                core_teardown(&core);
        }
        return n;
}

/* ---- */

static void refresh(void)
{
        core_advance(&core, 3000);
}

static void test_a_refresh_without_memory_loses_no_grant(void **state)
{
        assert_true(fail_everywhere(&(struct operation){ "app", false, refresh }) > 40);
}

static struct asker asker;

static void ask_at_the_end(void)
{
        static const struct token_demand none;
        int r;

        core_advance(&core, 3700);
        asker = (struct asker){ 0 };
        r = refresher_ask(core.refresher, acme(), &none, asker_on_answer, &asker, &asker.answer,
                          &asker.waiter);
        if (r < 0)
                return;
        go_on();
        out_of_memory_end();
        live_on();
        assert_true(asker.answered);
}

static void test_a_caller_without_memory_is_told_all_the_same(void **state)
{
        assert_true(fail_everywhere(&(struct operation){ "app", false, ask_at_the_end }) > 40);
}

static int n_answers;

static void on_login(const struct login_answer *answer, void *userdata)
{
        n_answers++;
}

/* Each call is answered once, unless it could not even be begun. */
static void expect_answered(int r, struct login_call *call)
{
        go_on();
        if (r < 0)
                return;
        assert_int_equal(n_answers, 1);
        login_call_free(call);
}

static void log_in(void)
{
        _cleanup_(secret_freep) struct secret *code = NULL;
        struct login_call *call = NULL;
        int r;

        n_answers = 0;
        r = secret_new_string(&code, "the-code");
        if (r == 0)
                r = login_adopt_code(core.logins, "acme", "app", code, "again", NULL, false, on_login, NULL,
                                     &call);
        expect_answered(r, call);
}

static void test_a_login_without_memory_leaves_the_old_grant_or_the_new_one(void **state)
{
        assert_true(fail_everywhere(&(struct operation){ "app", false, log_in }) > 60);
}

static void import(void)
{
        _cleanup_(secret_freep) struct secret *token = NULL;
        struct login_call *call = NULL;
        int r;

        n_answers = 0;
        r = secret_new_string(&token, "i-0");
        if (r == 0)
                r = login_import(core.logins, "acme", "app", NULL, token, false, on_login, NULL, &call);
        expect_answered(r, call);
}

static void test_an_import_without_memory_leaves_the_old_grant_or_the_new_one(void **state)
{
        assert_true(fail_everywhere(&(struct operation){ "app", false, import }) > 60);
}

/* ---- logins that ask the provider before a person is told anything ---- */

static char begun[64];

static void on_begun(const struct login_answer *answer, void *userdata)
{
        n_answers++;
        snprintf(begun, sizeof(begun), "%s", answer->login ? answer->login : "");
        assert_true(!answer->login || answer->device ||
                    strstr(answer->authorization_url, "&request_uri=urn%3Ar-1"));
}

static void push(void)
{
        struct login_call *call = NULL;
        int r;

        n_answers = 0;
        begun[0] = '\0';
        r = login_begin(core.logins, "acme", "pusher", "again", NULL, on_begun, NULL, &call);
        expect_answered(r, call);
        out_of_memory_end();
        if (*begun)
                assert_true(login_cancel(core.logins, begun));
}

static void test_a_pushed_login_without_memory_is_told_and_leaves_the_old_grant(void **state)
{
        assert_true(fail_everywhere(&(struct operation){ "pusher", false, push }) > 30);
}

/* The code of the device is answered as the code of a redirect is. */
static void log_in_at_a_device(void)
{
        struct login_call *call = NULL;
        int r;

        n_answers = 0;
        begun[0] = '\0';
        r = login_begin_device(core.logins, "acme", "pusher", "at the till", on_begun, NULL, &call);
        expect_answered(r, call);
        if (!*begun)
                return;
        call = NULL;
        n_answers = 0;
        r = login_complete_device(core.logins, begun, false, on_login, NULL, &call);
        for (int i = 0; i < 40 && r == 0 && n_answers == 0; i++) {
                go_on();
                core_advance(&core, 5);
        }
        expect_answered(r, call);
}

static void test_a_login_at_a_device_without_memory_leaves_the_old_grant_or_the_new_one(void **state)
{
        assert_true(fail_everywhere(&(struct operation){ "pusher", false, log_in_at_a_device }) > 60);
}

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
        n_answers++;
}

static void log_out(void)
{
        struct revoke_call *call;
        int r;

        n_answers = 0;
        r = login_revoke(core.logins, acme(), false, on_revoked, NULL, &call);
        go_on();
        if (r < 0)
                return;
        assert_int_equal(n_answers, 1);
        revoke_call_free(call);
}

static void test_a_logout_without_memory_ends_all_or_nothing(void **state)
{
        /* Once it is revoked the grant is dead, forgotten or not: that it is never left half is what counts. */
        assert_true(fail_everywhere(&(struct operation){ "app", true, log_out }) > 5);
}

static void test_an_ending_of_the_providers_own_kind_without_memory_ends_all_or_nothing(void **state)
{
        assert_true(fail_everywhere(&(struct operation){ "ender", true, log_out }) > 10);
}

static void on_tested(void *userdata)
{
        n_answers++;
}

static void test_now(void)
{
        struct probe_wait *wait = NULL;
        int r;

        n_answers = 0;
        r = prober_run(core.prober, acme(), on_tested, NULL, &wait);
        go_on();
        if (r == 0)
                assert_int_equal(n_answers, 1);
        probe_wait_free(wait);
}

static void test_a_test_without_memory_is_told_all_the_same(void **state)
{
        assert_true(fail_everywhere(&(struct operation){ "app", false, test_now }) > 10);
}

/* ---- starts ---- */

static int try_to_load(size_t allocation)
{
        static const uint8_t key_bytes[SEAL_KEY_SIZE] = "an ordinary sealing key of tests";
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct context context = core.context;
        struct diag diag = DIAG_INIT;
        struct store *store;
        struct seal *seal;
        int r;

        assert_int_equal(secret_new(&key, key_bytes, sizeof(key_bytes)), 0);
        assert_int_equal(seal_new(&seal, key), 0);
        assert_int_equal(store_new(&store, "", NULL, &diag), 0);
        assert_int_equal(vault_new(&context.vault, &context, store, seal, core.boot_id), 0);
        context.on_change = NULL;
        out_of_memory_at(allocation);
        r = vault_load(context.vault, &diag);
        out_of_memory_end();
        if (r == 0)
                assert_string_equal(core_refresh_token(vault_find(context.vault, "acme")), "a-0");
        fake_store_crash(store);
        vault_free(context.vault);
        return r;
}

static void test_a_start_without_memory_is_a_fault_and_never_an_empty_vault(void **state)
{
        size_t n;
        int r = -ENOMEM;

        core_setup_with_provider(&core, providers, clients);
        fake_idp_start(true);
        give_old_grant("app");
        core_crash(&core);
        for (n = 0; r == -ENOMEM; n++) {
                r = try_to_load(n);
                assert_true(r == 0 || r == -ENOMEM);
        }
        assert_true(n > 20);
        core_teardown(&core);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_refresh_without_memory_loses_no_grant),
                cmocka_unit_test(test_a_caller_without_memory_is_told_all_the_same),
                cmocka_unit_test(test_a_login_without_memory_leaves_the_old_grant_or_the_new_one),
                cmocka_unit_test(test_an_import_without_memory_leaves_the_old_grant_or_the_new_one),
                cmocka_unit_test(test_a_pushed_login_without_memory_is_told_and_leaves_the_old_grant),
                cmocka_unit_test(test_a_login_at_a_device_without_memory_leaves_the_old_grant_or_the_new_one),
                cmocka_unit_test(test_a_logout_without_memory_ends_all_or_nothing),
                cmocka_unit_test(test_an_ending_of_the_providers_own_kind_without_memory_ends_all_or_nothing),
                cmocka_unit_test(test_a_test_without_memory_is_told_all_the_same),
                cmocka_unit_test(test_a_start_without_memory_is_a_fault_and_never_an_empty_vault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
