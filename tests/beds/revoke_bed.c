#include "tests/beds/revoke_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char provider[] =
        "  endpoint: {extends: idp, revocation_endpoint: 'https://idp.test/revoke'}\n"
        "  found: {issuer: 'https://id.test'}\n"
        "  none: {extends: endpoint, revocation: {method: none}}\n"
        "  graph:\n"
        "    extends: idp\n"
        "    api: {answers: [{status: 403, contains: has disconnected, means: authorization_required}]}\n"
        "    revocation: {method: graphql, mutation: 'mutation { appDisconnect { userErrors { message } } "
        "}', "
        "error: /data/appDisconnect/userErrors, ends_account: true}\n";
const char clients[] = "  endpoint: {provider: endpoint, client_id: e, client_secret: {store: true}}\n"
                       "  found: {provider: found, client_id: f, client_secret: {store: true}}\n"
                       "  none: {provider: none, client_id: n, client_secret: {store: true}}\n"
                       "  graph: {provider: graph, client_id: g, client_secret: {store: true}}\n"
                       "refresh: {test: off}\n";

static void set_secret(const char *client)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, "its secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, client, secret, NULL, NULL, &write), 0);
        core_save(&core);
}

int setup(void **state)
{
        core_setup_with_provider(&core, provider, clients);
        set_secret("endpoint");
        set_secret("found");
        set_secret("none");
        set_secret("graph");
        return 0;
}

void belong_to(struct credential *credential, const char *client, const char *account)
{
        free(credential->client_name);
        credential->client_name = strdup(client);
        free(credential->account_id);
        credential->account_id = account ? strdup(account) : NULL;
        vault_rebind(core.context.vault, credential);
}

struct credential *give(const char *name, const char *client, const char *account)
{
        struct credential *credential = core_give_grant(&core, name, "refresh-1", "access-1", 3600);

        belong_to(credential, client, account);
        vault_save_facts(core.context.vault, credential);
        core_save(&core);
        refresher_plan(core.refresher, credential);
        return credential;
}

static void on_revoked(const struct revoke_answer *answer, void *userdata)
{
        struct outcome *outcome = userdata;

        assert_false(outcome->answered);
        outcome->answered = true;
        outcome->verdict = answer->verdict;
        outcome->retry_after_usec = answer->retry_after_usec;
        snprintf(outcome->message, sizeof(outcome->message), "%s", answer->message);
        for (size_t i = 0; i < answer->n_also_ended; i++)
                strcat(strcat(outcome->also_ended, answer->also_ended[i]), " ");
        outcome->call = revoke_call_free(outcome->call);
}

void log_out(struct outcome *outcome, const char *name, bool force)
{
        *outcome = (struct outcome){ 0 };
        assert_int_equal(login_revoke(core.logins, find(name), force, on_revoked, outcome, &outcome->call),
                         0);
        core_run(&core);
}

void expect(const struct outcome *outcome, enum revoke_verdict verdict, const char *words)
{
        assert_true(outcome->answered);
        assert_int_equal(outcome->verdict, verdict);
        if (!strstr(outcome->message, words))
                fail_msg("'%s' is not in: %s", words, outcome->message);
}

void expect_going_on(const char *name)
{
        size_t n;

        assert_int_equal(credential_state(find(name), core.clock.boot_usec), CREDENTIAL_ACTIVE);
        assert_false(find(name)->held);
        n = in_flight();
        core_advance(&core, 3000);
        core_save(&core);
        assert_int_equal(in_flight(), n + 1);
}
