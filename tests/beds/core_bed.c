#include "tests/beds/core_bed.h"

struct core core;
struct credential *acme, *beta;

int teardown(void **state)
{
        (void)state;
        core_teardown(&core);
        return 0;
}

void restart(void)
{
        core_crash(&core);
        core_start(&core);
        acme = find("acme");
        beta = find("beta");
}

struct credential *find(const char *name)
{
        return vault_find(core.context.vault, name);
}

size_t in_flight(void)
{
        return fake_http_n_in_flight(core.context.http);
}

const struct http_request *request(void)
{
        assert_true(in_flight() > 0);
        return fake_http_request(core.context.http, 0);
}

void save_all(void)
{
        while (fake_store_n_queued(core.store))
                core_save(&core);
}

bool is_on_disk(const char *kind)
{
        return fake_disk_find(core.disk, kind, "acme", NULL);
}
