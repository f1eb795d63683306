#include "tests/beds/refresh_bed.h"

#include <stdlib.h>
#include <string.h>

int setup(void **state)
{
        (void)state;
        core_setup(&core, NULL);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        return 0;
}

int setup_with_alarm(void **state)
{
        (void)state;
        core_setup_with_provider(
                &core,
                "  watchful:\n"
                "    extends: idp\n"
                "    token_endpoint_answers: [{member: /warning, contains: old one, means: "
                "foreign_refresher}, {contains: has disconnected, means: disconnected}]\n",
                "  watched: {provider: watchful, client_id: w, client_secret: {store: true}}\n"
                "credentials: {acme: {client: app}}\n");
        return 0;
}

void give_watched_grant(void)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        struct vault_write *write;

        assert_int_equal(secret_new_string(&secret, "the-other-secret"), 0);
        assert_int_equal(vault_set_client_secret(core.context.vault, "watched", secret, NULL, NULL, &write),
                         0);
        acme = core_give_grant(&core, "birch", "refresh-1", "access-1", 3600);
        free(acme->client_name);
        acme->client_name = strdup("watched");
        vault_rebind(core.context.vault, acme);
}
