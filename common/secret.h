/*
 * Secret bytes: client secrets, refresh and access tokens, PKCE verifiers, authorization codes, sealing keys, and every
 * buffer that such bytes pass through. They live in pages of their own: memfd_secret(2) where the kernel has it and the limits
 * allow it, else locked pages that core dumps leave out; freed bytes are wiped. What is larger than 32 KiB is a message on its way
 * and no secret at rest, and is in locked pages. This is the only type that holds secrets, and
 * `expose` in a name marks every place where the plaintext is touched.
 *
 * One thread at a time per secret or buffer; different ones may be used by different threads. A child of fork() finds zeroes
 * where its parent's secrets are: it may free them and make its own, no more.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"

#include <stdbool.h>
#include <stddef.h>

struct secret;

/* Copies n bytes. A NUL that secret_size() does not count follows them, so that text can be exposed as a string. */
int secret_new(struct secret **ret, const void *bytes, size_t n);
int secret_new_string(struct secret **ret, const char *string);
/* n bytes that are zero, and where to write them before anybody else has the secret. */
int secret_new_blank(struct secret **ret, size_t n, char **ret_bytes);
int secret_copy(struct secret **ret, const struct secret *secret);
struct secret *secret_free(struct secret *secret); /* wipes; accepts NULL; returns NULL */
DEFINE_FREEP(struct secret *, secret_free)

/* Valid until secret_free(); never NULL. */
const char *secret_expose(const struct secret *secret);
size_t secret_size(const struct secret *secret);

/* In constant time for equal sizes. NULL equals NULL alone. */
bool secret_equal(const struct secret *a, const struct secret *b);
bool secret_equal_bytes(const struct secret *a, const void *bytes, size_t n);

/*
 * A growing buffer of the same memory, embedded in its owner. Bytes 0 to n-1 of `data` are valid; data is NUL-terminated after
 * them whenever it is not NULL. `max` is a hard limit.
 */
struct secret_buf {
        char *data;
        size_t n;
        size_t allocated;
        size_t max;
};

#define SECRET_BUF_INIT(limit)                                                                               \
        {                                                                                                    \
                .max = (limit)                                                                               \
        }

/* -EMSGSIZE when it would grow beyond max (the buffer stays as it was), -ENOMEM. */
int secret_buf_reserve(struct secret_buf *buf, size_t more); /* room for `more` bytes behind n */
int secret_buf_append(struct secret_buf *buf, const void *bytes, size_t n);
int secret_buf_append_string(struct secret_buf *buf, const char *string);

/* Drops the first n bytes, wiping what they leave. */
void secret_buf_consume(struct secret_buf *buf, size_t n);
/* n = 0, wiped, memory kept. */
void secret_buf_clear(struct secret_buf *buf);
/* The same where nothing lies behind the n bytes that are there. */
void secret_buf_forget(struct secret_buf *buf);
/* Wiped and freed; safe on a zeroed or done buffer. */
void secret_buf_done(struct secret_buf *buf);
/* Its bytes as a secret; the buffer is done. */
int secret_buf_take(struct secret_buf *buf, struct secret **ret);

/*
 * Call first, and only, in a program whose own service unit allows memfd_secret in SystemCallFilter=: any other filter may kill
 * whoever calls what it does not know, so that a filtered process makes do with locked pages.
 */
void secret_trust_syscall_filter(void);

/* What secret memory is made of, for status, metrics and tests. All zero before the first secret. */
struct secret_stats {
        bool memfd_secret; /* invisible to root too: of all that is neither fallback nor larger than 32 KiB */
        bool locked; /* never swapped: of all that is not fallback */
        size_t bytes_in_use; /* rounded up to the allocation classes */
        size_t bytes_mapped; /* pages taken from the kernel */
        size_t bytes_fallback; /* of which neither memfd_secret nor locked, because the limit was reached */
};

void secret_get_stats(struct secret_stats *ret);
