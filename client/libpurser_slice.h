/*
 * Reading JSON (RFC 8259) where it lies: a slice is the text of one value inside a message that somebody else
 * keeps. Replies hold access tokens, and inside a library the memory that a JSON parser works in belongs to
 * the host program, unwiped; so nothing here allocates, and strings are decoded into secret memory. Knows
 * nothing of Varlink.
 */
#pragma once

#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        SLICE_E_MALFORMED =
                1, /* no JSON, nested deeper than SLICE_DEPTH_MAX, or no string without NUL characters */
};

enum {
        SLICE_DEPTH_MAX = 32,
};

struct slice {
        const char *p;
        size_t n;
};

/*
 * Checks that text is one JSON value in UTF-8. Every other
 * function takes slices that come from here, and checks nothing.
 */
int slice_parse(const char *text, size_t n, struct slice *ret);

bool slice_is_object(struct slice value);
bool slice_is_array(struct slice value);
bool slice_is_string(struct slice value);
bool slice_is_null(struct slice value);
bool slice_is_true(struct slice value);
bool slice_to_int(struct slice value, int64_t *ret); /* false: not an integer of 64 bits */

/* True when value is the string `string`. */
bool slice_equals(struct slice value, const char *string);

/*
 * Step through an array, or through the members of an object:
 * *position is NULL at first. False after the last one.
 */
bool slice_next(struct slice array, const char **position, struct slice *ret_element);
bool slice_next_member(struct slice object, const char **position, struct slice *ret_name,
                       struct slice *ret_value);
size_t slice_count(struct slice array);

/*
 * Appends the decoded string and a NUL to `strings`; *ret_offset is where it begins. Decoding never takes
 * more bytes than the literal has. SLICE_E_MALFORMED: not a string, or one that holds U+0000.
 */
int slice_decode(struct slice value, struct secret_buf *strings, size_t *ret_offset);
