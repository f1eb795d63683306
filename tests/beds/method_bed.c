#include "tests/beds/method_bed.h"

#include <string.h>

struct serve_bed bed;
struct credential *acme;
int fd;
static unsigned n_reloads;

static int on_reload(struct problems *problems, void *userdata)
{
        (void)userdata;
        if (++n_reloads == 1)
                return 0;
        assert_int_equal(problems_add(problems, "purser.yaml", 3, 1, "clients", "is wrong"), 0);
        assert_int_equal(problems_add(problems, "purser.yaml", 5, 1, "", "is wrong, too"), 0);
        return SERVICE_E_PROBLEMS;
}

int setup(void **state)
{
        (void)state;
        bed = (struct serve_bed){ .reload = on_reload };
        n_reloads = 0;
        serve_setup(&bed, NULL);
        acme = core_give_grant(&bed.core, "acme", "refresh-1", "access-1", 3600);
        fd = serve_connect(&bed);
        return 0;
}

int teardown(void **state)
{
        (void)state;
        serve_teardown(&bed);
        return 0;
}

void assert_has(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("no '%s' in: %s", part, text);
}

void assert_hears(const char *message, const char *part)
{
        assert_has(serve_ask(&bed, fd, message), part);
}
