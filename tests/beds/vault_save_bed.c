#include "tests/beds/vault_save_bed.h"

#include "daemon/vault/vault_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int setup(void **state)
{
        core_setup(&core, NULL);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 86400);
        return 0;
}

void save_numbered(struct credential *credential, unsigned n)
{
        struct vault_write *write;
        struct grant grant = { .generation = n,
                               .lifetime_usec = 86400 * USEC_PER_SEC,
                               .received_boot_usec = (int64_t)core.clock.boot_usec,
                               .received_wall_usec = core.clock.wall_usec };
        char text[32];

        snprintf(text, sizeof(text), "refresh-%u", n);
        assert_int_equal(secret_new_string(&grant.refresh_token, text), 0);
        snprintf(text, sizeof(text), "access-%u", n);
        assert_int_equal(secret_new_string(&grant.access_token, text), 0);
        (void)vault_save_grant(core.context.vault, credential, &grant, NULL, NULL, &write);
}

void note(struct credential *credential, unsigned n)
{
        char text[32];

        snprintf(text, sizeof(text), "fact-%u", n);
        free(credential->notice);
        credential->notice = strdup(text);
        vault_save_facts(core.context.vault, credential);
}

static struct secret *open_record(const char *kind, const char *name)
{
        struct secret *plain = NULL;
        size_t n;
        const uint8_t *blob = fake_disk_find(core.disk, kind, name, &n);

        if (blob)
                assert_int_equal(seal_open(core.context.vault->seal, kind, name, blob, n, &plain), 0);
        return plain;
}

unsigned grant_on_disk(const char *kind)
{
        _cleanup_(secret_freep) struct secret *plain = open_record(kind, "acme");
        _cleanup_(grant_done) struct grant grant = { 0 };
        struct boot_moment now = { .boot_usec = core.clock.boot_usec, .wall_usec = core.clock.wall_usec };

        if (!plain)
                return 0;
        assert_int_equal(grant_decode(secret_expose(plain), secret_size(plain), &now, &grant), 0);
        return (unsigned)grant.generation;
}

unsigned fact_on_disk(const char *kind)
{
        _cleanup_(secret_freep) struct secret *plain = open_record(kind, "acme");
        _cleanup_(credential_freep) struct credential *credential = NULL;

        if (!plain)
                return 0;
        assert_int_equal(credential_new(&credential, "acme"), 0);
        assert_int_equal(credential_decode_facts(secret_expose(plain), secret_size(plain), credential), 0);
        return credential->notice ? (unsigned)atoi(credential->notice + strlen("fact-")) : 0;
}
