// links: daemon/transfer/
// libs: libsodium jansson yaml-0.1 libsystemd
/*
 * A backup of any bytes, under a key that is known, and what its frames hold of any bytes, as somebody who knows the passphrase could make
 * them: what was read can be written again, and is the same.
 */
#include "daemon/transfer/backup.h"
#include "daemon/transfer/backup_item.h"

#include "tests/fuzz/fuzz.h"

static const struct boot_moment now = { "", 1000 * USEC_PER_SEC, INT64_C(1767225600000000) };

/* Its key: that of no passphrase, since making one costs more than all the rest. */
static void read_file(const uint8_t *data, size_t size)
{
        _cleanup_(backup_reader_freep) struct backup_reader *reader = NULL;
        _cleanup_(secret_freep) struct secret *key = NULL;
        char *copy = fuzz_copy(data, size);
        int r;

        fuzz_check(secret_new(&key, "0123456789abcdef0123456789abcdef", 32) == 0);
        r = backup_reader_new_with_key(&reader, copy, size, key);
        while (r == 0) {
                _cleanup_(secret_freep) struct secret *plain = NULL;

                r = backup_reader_next(reader, &plain);
                fuzz_check(r != 0 || secret_size(plain) <= BACKUP_FRAME_MAX);
        }
        fuzz_check(r > 0 && r <= BACKUP_E_END);
        free(copy);
}

static int encode(const struct backup_item *item, struct secret_buf *buf)
{
        switch (item->kind) {
        case BACKUP_ABOUT:
                return backup_encode_about(item->made_wall_usec, item->moved, buf);
        case BACKUP_CREDENTIAL:
                return backup_encode_credential(item->credential, buf);
        case BACKUP_CLIENT_SECRET:
                return backup_encode_client_secret(item->client, item->secret, buf);
        case BACKUP_END:
                return backup_encode_end(item->n_credentials, item->n_client_secrets, buf);
        case BACKUP_UNKNOWN:
                break;
        }
        return -1;
}

static void read_item(const uint8_t *data, size_t size)
{
        _cleanup_(backup_item_done) struct backup_item item = { 0 }, again = { 0 };
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(1 << 20);

        if (backup_decode((const char *)data, size, &now, &item) != 0)
                return;
        if (item.kind == BACKUP_CREDENTIAL) {
                fuzz_check(name_is_valid(item.credential->name) && *item.credential->client_name);
                fuzz_check(item.credential->grant.refresh_token || item.credential->grant.access_token);
                fuzz_check(!item.credential->moved && item.credential->exported_wall_usec == 0);
        }
        if (encode(&item, &buf) < 0)
                return;
        fuzz_check(backup_decode(buf.data, buf.n, &now, &again) == 0 && again.kind == item.kind);
        if (item.kind == BACKUP_CREDENTIAL)
                fuzz_check(secret_equal(again.credential->grant.refresh_token,
                                        item.credential->grant.refresh_token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        read_file(data, size);
        read_item(data, size);
        return 0;
}
