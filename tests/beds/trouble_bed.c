#include "tests/beds/trouble_bed.h"

int setup(void **state)
{
        core_setup(&core, "refresh: {test: off}\n");
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        return 0;
}

size_t started(void)
{
        return fake_http_n_started(core.context.http);
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
