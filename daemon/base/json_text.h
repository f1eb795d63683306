/*
 * JSON as strangers send it: parsed with patience where a grant may hang on it, and read by pointers (RFC 6901). Values stay in
 * jansson's memory, which the programs make wipe what it frees. Pure.
 */
#pragma once

#include "common/cleanup.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An object or array. *ret is NULL when the bytes hold none; only a lack of memory is a fault. A byte order mark is skipped, a byte that
 * is no UTF-8 becomes U+FFFD, a number that no C type holds becomes null: none of these may cost a grant that comes beside them.
 */
int json_text_parse(const char *bytes, size_t n, json_t **ret);

static inline void json_text_freep(json_t **p)
{
        json_decref(*p);
}

/*
 * True when the top object of these bytes, which must have been parsed already, has the member more than once with different values:
 * RFC 8259 section 4 leaves open which of them counts.
 */
bool json_text_is_ambiguous(const char *bytes, size_t n, const char *name);

/* RFC 6901. NULL where the pointer leads nowhere; pointer NULL leads nowhere. */
const json_t *json_text_at(const json_t *root, const char *pointer);
/* The same when it leads to a string that is not empty and holds no NUL, else NULL. */
const char *json_text_string_at(const json_t *root, const char *pointer);

/* A number, or a string that writes one, without its fraction; INT64_MIN for anything else and for what does not fit. */
int64_t json_text_number(const json_t *value);

/* A string or integer as an identifier of 1 to 255 bytes without control characters; *ret is NULL where it is none. */
int json_text_identifier(const json_t *value, char **ret);
