#include "tests/trouble_bed.h"

struct core core;
struct credential *acme;

int setup(void **state)
{
        core_setup(&core, "refresh: {test: off}\n");
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        return 0;
}

int teardown(void **state)
{
        core_teardown(&core);
        return 0;
}

size_t in_flight(void)
{
        return fake_http_n_in_flight(core.context.http);
}

size_t started(void)
{
        return fake_http_n_started(core.context.http);
}

bool is_on_disk(const char *kind)
{
        return fake_disk_find(core.disk, kind, "acme", NULL);
}

void restart(void)
{
        core_crash(&core);
        core_start(&core);
        acme = vault_find(core.context.vault, "acme");
}

void lose_answer(void)
{
        core_save(&core);
        assert_int_equal(in_flight(), 1);
        fake_http_fail(core.context.http, 0, HTTP_OUTCOME_UNKNOWN, "the connection broke");
        core_save(&core);
}

void on_revoked(const struct revoke_answer *answer, void *userdata)
{
}
