#include "tests/beds/vault_bed.h"

#include <stdlib.h>
#include <string.h>

const uint8_t good_key[SEAL_KEY_SIZE] = "an ordinary sealing key of tests";

int setup(void **state)
{
        core_setup(&core, NULL);
        acme = core_give_grant(&core, "acme", "refresh-1", "access-1", 3600);
        beta = core_give_grant(&core, "beta", "refresh-b", "access-b", 3600);
        return 0;
}

struct seal *make_seal(const uint8_t *key_bytes)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct seal *seal;

        assert_int_equal(secret_new(&key, key_bytes, SEAL_KEY_SIZE), 0);
        assert_int_equal(seal_new(&seal, key), 0);
        return seal;
}

uint8_t *copy_record(const char *kind, const char *name, size_t *ret_n)
{
        const uint8_t *bytes = fake_disk_find(core.disk, kind, name, ret_n);
        uint8_t *copy;

        assert_non_null(bytes);
        copy = malloc(*ret_n);
        memcpy(copy, bytes, *ret_n);
        return copy;
}

void expect_record(const char *kind, const char *name, uint8_t *bytes, size_t n)
{
        size_t n_found;
        const uint8_t *found = fake_disk_find(core.disk, kind, name, &n_found);

        assert_non_null(found);
        assert_int_equal(n_found, n);
        assert_memory_equal(found, bytes, n);
        free(bytes);
}

enum credential_state state_of(const struct credential *credential)
{
        return credential_state(credential, core.clock.boot_usec);
}
