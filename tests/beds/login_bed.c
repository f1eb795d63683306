#include "tests/beds/login_bed.h"

#include <stdio.h>

int setup(void **state)
{
        (void)state;
        core_setup(&core, NULL);
        return 0;
}

static void copy(char *to, size_t size, const char *from)
{
        snprintf(to, size, "%s", from ? from : "");
}

void on_login(const struct login_answer *answer, void *userdata)
{
        struct outcome *outcome = userdata;

        assert_false(outcome->answered);
        outcome->answered = true;
        outcome->verdict = answer->verdict;
        copy(outcome->name, sizeof(outcome->name), answer->name);
        copy(outcome->reason, sizeof(outcome->reason), answer->reason);
        copy(outcome->found, sizeof(outcome->found), answer->found_id);
        copy(outcome->login, sizeof(outcome->login), answer->login);
        copy(outcome->url, sizeof(outcome->url), answer->authorization_url);
}
