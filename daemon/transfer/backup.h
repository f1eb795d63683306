/*
 * The file of a backup: frames of bytes under a passphrase. Knows nothing of what the frames hold. Its format is fixed by a golden file; all
 * numbers are little-endian:
 *
 *      8   magic "PURSERBK"
 *      1   version of the format: 1
 *      1   how the key is made of the passphrase: 1, Argon2id version 1.3 (libsodium's crypto_pwhash)
 *      8   its opslimit
 *      8   its memlimit in bytes
 *     16   its salt
 *     24   header of crypto_secretstream_xchacha20poly1305
 *          then frames: 4 bytes n, and n bytes, a message of that stream with its tag, the 66 bytes above as associated data
 *
 * The last frame has the tag FINAL, and nothing follows it: a file that was cut short is told from a whole one, and frames that were taken
 * out, changed or put elsewhere do not open.
 */
#pragma once

#include "common/secret.h"

#include <stdint.h>

enum {
        BACKUP_SALT_SIZE = 16,
        BACKUP_HEADER_SIZE = 66,
        BACKUP_FRAME_OVERHEAD = 4 + 17,
        BACKUP_FRAME_MAX = 1024 * 1024, /* bytes in a frame */
};

/* What a guess of the passphrase costs. A reader takes what the file says, up to a bound. */
struct backup_cost {
        uint64_t opslimit, memlimit;
};

/* RFC 9106 section 4, second recommendation: a tenth of a second or two, for which the daemon stands still. */
#define BACKUP_COST                                                                                          \
        {                                                                                                    \
                .opslimit = 3, .memlimit = UINT64_C(64) << 20                                                \
        }
#define BACKUP_COST_MOST                                                                                     \
        {                                                                                                    \
                .opslimit = 16, .memlimit = UINT64_C(512) << 20                                              \
        }

enum {
        BACKUP_E_NO_BACKUP = 1, /* it begins with something else */
        BACKUP_E_NEWER, /* a format of a later version */
        BACKUP_E_COST, /* its key costs more than this program spends */
        BACKUP_E_PASSPHRASE, /* the first frame does not open: another passphrase, or a changed header or frame */
        BACKUP_E_DAMAGED, /* a later frame does not open, or something follows the last one */
        BACKUP_E_TRUNCATED,
        BACKUP_E_END, /* no further frame: the file was whole */
};

/* The key of a passphrase. */
int backup_key(struct secret **ret, const struct secret *passphrase, const struct backup_cost *cost,
               const uint8_t salt[BACKUP_SALT_SIZE]);

struct backup_writer;

/* header: the file's beginning. */
int backup_writer_new(struct backup_writer **ret, const struct secret *passphrase,
                      const struct backup_cost *cost, uint8_t header[BACKUP_HEADER_SIZE]);
struct backup_writer *backup_writer_free(struct backup_writer *writer);
DEFINE_FREEP(struct backup_writer *, backup_writer_free)
/* One frame, as it stands in the file: n + BACKUP_FRAME_OVERHEAD bytes to `to`. n is at most BACKUP_FRAME_MAX. */
int backup_writer_put(struct backup_writer *writer, const char *bytes, size_t n, bool last, uint8_t *to);

struct backup_reader;

/* bytes: the whole file, borrowed. NO_BACKUP, NEWER, COST, TRUNCATED. */
int backup_reader_new(struct backup_reader **ret, const void *bytes, size_t n,
                      const struct secret *passphrase);
/* The same with the key itself, whatever the cost. */
int backup_reader_new_with_key(struct backup_reader **ret, const void *bytes, size_t n,
                               const struct secret *key);
struct backup_reader *backup_reader_free(struct backup_reader *reader);
DEFINE_FREEP(struct backup_reader *, backup_reader_free)
/* PASSPHRASE, DAMAGED, TRUNCATED, END. */
int backup_reader_next(struct backup_reader *reader, struct secret **ret);
