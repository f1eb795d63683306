#include "tests/beds/probe_bed.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char provider[] = "  pinned:\n"
                        "    extends: idp\n"
                        "    api:\n"
                        "      version_header: X-VERSION\n"
                        "      default_version: '2023-08-18'\n"
                        "      test_answer: {served_version: /extensions/version, version_warning: "
                        "/extensions/warning}\n"
                        "      answers:\n"
                        "      - {status: 403, contains: has disconnected, means: "
                        "authorization_required, say: The app was disconnected.}\n"
                        "      - {status: 404, contains: does not exist, means: version_unsupported}\n"
                        "  untested: {extends: idp, api: {test_query: null}}\n";
const char clients[] = "  pinned: {provider: pinned, client_id: p, client_secret: {store: true}}\n"
                       "  untested: {provider: untested, client_id: u, client_secret: {store: true}}\n";

void use_client(const char *name)
{
        free(acme->client_name);
        acme->client_name = strdup(name);
        vault_rebind(core.context.vault, acme);
        prober_plan(core.prober, acme);
}

int setup(void **state)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        core_setup_with_provider(&core, provider, clients);
        assert_int_equal(secret_new_string(&secret, "s"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "pinned", secret, NULL, NULL, &write),
                         0);
        core_save(&core);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 864000);
        use_client("pinned");
        vault_save_facts(core.context.vault, acme);
        core_save(&core);
        return 0;
}

void on_revoked(const struct revoke_answer *answer, void *userdata)
{
}

static void on_tested(void *userdata)
{
        struct tester *tester = userdata;
        struct revoke_call *call;

        tester->told++;
        tester->wait = probe_wait_free(tester->wait);
        if (tester->other)
                tester->other->wait = probe_wait_free(tester->other->wait);
        if (tester->test_again) {
                tester->test_again = false;
                assert_int_equal(prober_run(core.prober, acme, on_tested, tester, &tester->wait), 0);
        }
        if (tester->forget) {
                assert_int_equal(login_revoke(core.logins, acme, true, on_revoked, NULL, &call), 0);
                revoke_call_free(call);
        }
}

void run(struct tester *tester)
{
        assert_int_equal(prober_run(core.prober, acme, on_tested, tester, &tester->wait), 0);
}

void test_with(long status, const char *body)
{
        struct tester tester = { 0 };

        run(&tester);
        core_run(&core);
        core_answer(&core, status, body);
        core_save(&core);
        assert_int_equal(tester.told, 1);
}
