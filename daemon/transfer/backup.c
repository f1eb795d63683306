#include "daemon/transfer/backup.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, KDF_ARGON2ID = 1 };
enum { AT_FORMAT = 8, AT_KDF = 9, AT_OPSLIMIT = 10, AT_MEMLIMIT = 18, AT_SALT = 26, AT_STREAM = 42 };

static const char magic[8] = "PURSERBK";

_Static_assert(BACKUP_SALT_SIZE == crypto_pwhash_SALTBYTES, "the format's salt is libsodium's");
_Static_assert(AT_STREAM + crypto_secretstream_xchacha20poly1305_HEADERBYTES == BACKUP_HEADER_SIZE,
               "the header is what the format says");
_Static_assert(BACKUP_FRAME_OVERHEAD == 4 + crypto_secretstream_xchacha20poly1305_ABYTES,
               "a frame is what the format says");

static void put_u64(uint8_t *to, uint64_t value)
{
        value = htole64(value);
        memcpy(to, &value, sizeof(value));
}

static uint64_t get_u64(const uint8_t *from)
{
        uint64_t value;

        memcpy(&value, from, sizeof(value));
        return le64toh(value);
}

static const unsigned char *expose_key(const struct secret *key)
{
        return (const unsigned char *)secret_expose(key);
}

int backup_key(struct secret **ret, const struct secret *passphrase, const struct backup_cost *cost,
               const uint8_t salt[BACKUP_SALT_SIZE])
{
        _cleanup_(secret_buf_done) struct secret_buf key =
                SECRET_BUF_INIT(crypto_secretstream_xchacha20poly1305_KEYBYTES);
        int r;

        if (sodium_init() < 0)
                return fault(-EIO);
        r = secret_buf_reserve(&key, crypto_secretstream_xchacha20poly1305_KEYBYTES);
        if (r < 0)
                return r;
        if (crypto_pwhash((unsigned char *)key.data, crypto_secretstream_xchacha20poly1305_KEYBYTES,
                          secret_expose(passphrase), secret_size(passphrase), salt, cost->opslimit,
                          (size_t)cost->memlimit, crypto_pwhash_ALG_ARGON2ID13) < 0)
                return fault(errno == EINVAL ? -EINVAL : -ENOMEM);
        key.n = crypto_secretstream_xchacha20poly1305_KEYBYTES;
        return secret_buf_take(&key, ret);
}

/* ---- writing ---- */

/* The stream's state holds a key: it lives in secret memory. */
struct backup_writer {
        struct secret_buf state;
        uint8_t header[BACKUP_HEADER_SIZE];
};

static crypto_secretstream_xchacha20poly1305_state *expose_state(struct secret_buf *buf)
{
        return (crypto_secretstream_xchacha20poly1305_state *)(void *)buf->data;
}

static int reserve_state(struct secret_buf *buf)
{
        *buf = (struct secret_buf)SECRET_BUF_INIT(sizeof(crypto_secretstream_xchacha20poly1305_state));
        return secret_buf_reserve(buf, sizeof(crypto_secretstream_xchacha20poly1305_state));
}

int backup_writer_new(struct backup_writer **ret, const struct secret *passphrase,
                      const struct backup_cost *cost, uint8_t header[BACKUP_HEADER_SIZE])
{
        _cleanup_(backup_writer_freep) struct backup_writer *writer = calloc(1, sizeof(*writer));
        _cleanup_(secret_freep) struct secret *key = NULL;
        int r;

        if (!writer)
                return fault(-ENOMEM);
        if (sodium_init() < 0)
                return fault(-EIO);
        memcpy(writer->header, magic, sizeof(magic));
        writer->header[AT_FORMAT] = FORMAT;
        writer->header[AT_KDF] = KDF_ARGON2ID;
        put_u64(writer->header + AT_OPSLIMIT, cost->opslimit);
        put_u64(writer->header + AT_MEMLIMIT, cost->memlimit);
        randombytes_buf(writer->header + AT_SALT, BACKUP_SALT_SIZE);
        r = backup_key(&key, passphrase, cost, writer->header + AT_SALT);
        if (r == 0)
                r = reserve_state(&writer->state);
        if (r < 0)
                return r;
        (void)crypto_secretstream_xchacha20poly1305_init_push(expose_state(&writer->state),
                                                              writer->header + AT_STREAM, expose_key(key));
        memcpy(header, writer->header, BACKUP_HEADER_SIZE);
        *ret = take_ptr(writer);
        return 0;
}

struct backup_writer *backup_writer_free(struct backup_writer *writer)
{
        if (!writer)
                return NULL;
        secret_buf_done(&writer->state);
        free(writer);
        return NULL;
}

int backup_writer_put(struct backup_writer *writer, const char *bytes, size_t n, bool last, uint8_t *to)
{
        uint32_t size;

        if (n > BACKUP_FRAME_MAX)
                return fault(-EMSGSIZE);
        size = htole32((uint32_t)(n + crypto_secretstream_xchacha20poly1305_ABYTES));
        memcpy(to, &size, sizeof(size));
        (void)crypto_secretstream_xchacha20poly1305_push(
                expose_state(&writer->state), to + sizeof(size), NULL, (const unsigned char *)bytes, n,
                writer->header, sizeof(writer->header),
                last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                     : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
        return 0;
}

/* ---- reading ---- */

struct backup_reader {
        struct secret_buf state;
        const uint8_t *bytes;
        size_t n, at;
        bool began, ended;
};

static int check_header(const uint8_t *bytes, size_t n)
{
        if (n < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0)
                return BACKUP_E_NO_BACKUP;
        if (n <= AT_KDF)
                return BACKUP_E_TRUNCATED;
        if (bytes[AT_FORMAT] != FORMAT || bytes[AT_KDF] != KDF_ARGON2ID)
                return BACKUP_E_NEWER;
        return n < BACKUP_HEADER_SIZE ? BACKUP_E_TRUNCATED : 0;
}

int backup_reader_new_with_key(struct backup_reader **ret, const void *bytes, size_t n,
                               const struct secret *key)
{
        _cleanup_(backup_reader_freep) struct backup_reader *reader = NULL;
        int r;

        r = check_header(bytes, n);
        if (r != 0)
                return r;
        reader = calloc(1, sizeof(*reader));
        if (!reader)
                return fault(-ENOMEM);
        reader->bytes = bytes;
        reader->n = n;
        reader->at = BACKUP_HEADER_SIZE;
        r = reserve_state(&reader->state);
        if (r < 0)
                return r;
        if (crypto_secretstream_xchacha20poly1305_init_pull(expose_state(&reader->state),
                                                            reader->bytes + AT_STREAM, expose_key(key)) < 0)
                return BACKUP_E_PASSPHRASE;
        *ret = take_ptr(reader);
        return 0;
}

int backup_reader_new(struct backup_reader **ret, const void *bytes, size_t n,
                      const struct secret *passphrase)
{
        static const struct backup_cost most = BACKUP_COST_MOST;
        _cleanup_(secret_freep) struct secret *key = NULL;
        struct backup_cost cost;
        int r;

        r = check_header(bytes, n);
        if (r != 0)
                return r;
        cost.opslimit = get_u64((const uint8_t *)bytes + AT_OPSLIMIT);
        cost.memlimit = get_u64((const uint8_t *)bytes + AT_MEMLIMIT);
        if (cost.opslimit > most.opslimit || cost.memlimit > most.memlimit)
                return BACKUP_E_COST;
        if (cost.opslimit < crypto_pwhash_OPSLIMIT_MIN || cost.memlimit < crypto_pwhash_MEMLIMIT_MIN)
                return BACKUP_E_DAMAGED;
        r = backup_key(&key, passphrase, &cost, (const uint8_t *)bytes + AT_SALT);
        return r < 0 ? r : backup_reader_new_with_key(ret, bytes, n, key);
}

struct backup_reader *backup_reader_free(struct backup_reader *reader)
{
        if (!reader)
                return NULL;
        secret_buf_done(&reader->state);
        free(reader);
        return NULL;
}

/* The frame's bytes, still sealed. */
static int next_sealed(struct backup_reader *reader, const uint8_t **ret, size_t *ret_n)
{
        size_t left = reader->n - reader->at;
        uint32_t n;

        if (left < sizeof(n))
                return BACKUP_E_TRUNCATED;
        memcpy(&n, reader->bytes + reader->at, sizeof(n));
        n = le32toh(n);
        if (n < crypto_secretstream_xchacha20poly1305_ABYTES ||
            n > BACKUP_FRAME_MAX + crypto_secretstream_xchacha20poly1305_ABYTES)
                return BACKUP_E_DAMAGED;
        if (left - sizeof(uint32_t) < n)
                return BACKUP_E_TRUNCATED;
        *ret = reader->bytes + reader->at + sizeof(n);
        *ret_n = n;
        reader->at += sizeof(uint32_t) + n;
        return 0;
}

int backup_reader_next(struct backup_reader *reader, struct secret **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf plain = SECRET_BUF_INIT(BACKUP_FRAME_MAX + 1);
        const uint8_t *sealed;
        unsigned char tag;
        size_t n;
        int r;

        if (reader->ended)
                return reader->at == reader->n ? BACKUP_E_END : BACKUP_E_DAMAGED;
        r = next_sealed(reader, &sealed, &n);
        if (r != 0)
                return r;
        r = secret_buf_reserve(&plain, n - crypto_secretstream_xchacha20poly1305_ABYTES + 1);
        if (r < 0)
                return r;
        if (crypto_secretstream_xchacha20poly1305_pull(expose_state(&reader->state),
                                                       (unsigned char *)plain.data, NULL, &tag, sealed, n,
                                                       reader->bytes, BACKUP_HEADER_SIZE) < 0)
                return reader->began ? BACKUP_E_DAMAGED : BACKUP_E_PASSPHRASE;
        plain.n = n - crypto_secretstream_xchacha20poly1305_ABYTES;
        reader->began = true;
        reader->ended = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
        return secret_new(ret, plain.data, plain.n);
}
