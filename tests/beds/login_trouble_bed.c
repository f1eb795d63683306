#include "tests/beds/login_trouble_bed.h"

#include <stdio.h>
#include <string.h>

const char provider[] = "  nameless: {extends: idp, api: {test_query: 'query { x }'}}\n";
const char clients[] = "  nameless: {provider: nameless, client_id: n, client_secret: {store: true}}\n"
                       "refresh: {test: off}\n";

int setup(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        core_setup_with_provider(&core, provider, clients);
        assert_int_equal(secret_new_string(&secret, "s"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "nameless", secret, NULL, NULL, &write),
                         0);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        acme->account_id = strdup("one");
        vault_save_facts(core.context.vault, acme);
        core_save(&core);
        return 0;
}

void on_login(const struct login_answer *answer, void *userdata)
{
        struct outcome *outcome = userdata;

        assert_false(outcome->answered);
        outcome->answered = true;
        outcome->verdict = answer->verdict;
        snprintf(outcome->reason, sizeof(outcome->reason), "%s", answer->reason ? answer->reason : "");
        outcome->call = login_call_free(outcome->call);
}

void begin_login(struct outcome *outcome, const char *client, bool switch_account)
{
        _cleanup_(secret_freep) struct secret *code = NULL;

        *outcome = (struct outcome){ 0 };
        assert_int_equal(secret_new_string(&code, "the-code"), 0);
        assert_int_equal(login_adopt_code(core.logins, "acme", client, code, NULL, NULL, switch_account,
                                          on_login, outcome, &outcome->call),
                         0);
        core_run(&core);
}

void begin_import(struct outcome *outcome, const char *name, const char *token_text)
{
        _cleanup_(secret_freep) struct secret *token = NULL;

        *outcome = (struct outcome){ 0 };
        assert_int_equal(secret_new_string(&token, token_text), 0);
        assert_int_equal(
                login_import(core.logins, name, "app", NULL, token, false, on_login, outcome, &outcome->call),
                0);
        core_run(&core);
}

void bring_to_promotion(struct outcome *outcome)
{
        begin_login(outcome, "app", false);
        fake_http_answer(core.context.http, in_flight() - 1, 200, NULL, TOKENS("new"));
        core_save(&core);
        fake_http_answer(core.context.http, in_flight() - 1, 200, NULL, ACCOUNT_ONE);
        core_run(&core);
        /* The test's facts are first, then the promotion. */
        fake_store_complete(core.store, 0);
        assert_true(fake_store_is_queued(core.store, "grant", "acme"));
        assert_false(outcome->answered);
}
