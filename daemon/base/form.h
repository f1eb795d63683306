/*
 * application/x-www-form-urlencoded as RFC 6749 appendix B wants it, both ways. Works in secret memory, since most values that
 * pass through are secrets. Pure.
 */
#pragma once

#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>

enum {
        FORM_E_END = 1, /* no further pair */
        FORM_E_MALFORMED, /* a percent sign without two hexadecimal digits */
};

int form_append_encoded(struct secret_buf *buf, const char *bytes, size_t n);

/* name=value, after a '&' where something other than '?' or '&' comes before. */
int form_append(struct secret_buf *buf, const char *name, const char *value);
int form_append_secret(struct secret_buf *buf, const char *name, const struct secret *value);

/* A pair as it stands in the text, still encoded; borrowed. */
struct form_pair {
        const char *name, *value; /* value is empty where there is no '=' */
        size_t n_name, n_value;
};

struct form_reader {
        const char *at, *end;
};

/* Empty pairs ("a=1&&b=2") are skipped. */
int form_next(struct form_reader *reader, struct form_pair *ret);

/* True when the encoded name stands for this one. */
bool form_pair_is(const struct form_pair *pair, const char *name);

/* Appends the decoded bytes, '+' as a blank. */
int form_append_decoded(struct secret_buf *buf, const char *bytes, size_t n);
