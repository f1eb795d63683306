#include "tests/beds/credential_bed.h"

#include <stdlib.h>
#include <string.h>

static struct provider provider = { .name = (char *)"idp", .max_replays = 5 };
struct client client = { .name = (char *)"app", .provider = &provider, .api_version = (char *)"v1" };
struct credential *acme;

void set(char **text, const char *value)
{
        free(*text);
        *text = value ? strdup(value) : NULL;
}

int setup(void **state)
{
        assert_int_equal(credential_new(&acme, "acme"), 0);
        set(&acme->client_name, "app");
        acme->client = &client;
        acme->refusal = REFUSAL_NONE;
        assert_int_equal(secret_new_string(&acme->grant.refresh_token, "refresh"), 0);
        assert_int_equal(secret_new_string(&acme->grant.access_token, "access"), 0);
        acme->grant.generation = 1;
        acme->grant.lifetime_usec = HOUR;
        acme->grant.received_boot_usec = (int64_t)NOW;
        return 0;
}

int teardown(void **state)
{
        acme = credential_free(acme);
        return 0;
}
