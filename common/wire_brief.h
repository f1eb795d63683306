/*
 * Calls in the form that nearly all of them have, read where they lie: no flags, a few parameters that are plain strings or whole numbers.
 * Whatever is written in any other way is left to wire_parse_call(), which alone decides what a call is: what is taken here means the same
 * there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed from the message; not NUL-ended. */
struct wire_slice {
        const char *bytes;
        size_t n;
};

enum { WIRE_BRIEF_PARAMETERS = 4 };

struct wire_brief_parameter {
        struct wire_slice name;
        bool is_string;
        struct wire_slice string; /* visible ASCII and blanks */
        int64_t integer; /* unless is_string */
};

struct wire_brief {
        struct wire_slice method;
        struct wire_brief_parameter parameters[WIRE_BRIEF_PARAMETERS];
        size_t n_parameters;
};

/*
 * The method that a message calls, be it whole or only begun, in whatever form, without a look at the rest: for what is decided before it is
 * parsed. False: none was found that is written plainly. Says nothing of whether it is a call.
 */
bool wire_find_method(const char *bytes, size_t n, struct wire_slice *ret);

/* False: not in this form, which says nothing of whether it is a call. */
bool wire_read_brief(const char *bytes, size_t n, struct wire_brief *ret);

/*
 * One call as most write it whose library puts no blanks between: the text before and behind its only string that differs from call to call.
 * Comparing takes a tenth of what reading does.
 */
struct wire_form {
        struct wire_slice before, behind;
};

#define WIRE_FORM(before, behind)                                                                            \
        {                                                                                                    \
                { "" before, sizeof(before) - 1 },                                                           \
                {                                                                                            \
                        "" behind, sizeof(behind) - 1                                                        \
                }                                                                                            \
        }

/* ret: the string, of visible ASCII and blanks. False: in another form. */
bool wire_read_form(const char *bytes, size_t n, const struct wire_form *form, struct wire_slice *ret);

/* Here, so that a constant is compared without a call. */
static inline bool wire_slice_is(const struct wire_slice *slice, const char *string)
{
        return slice->n == strlen(string) && memcmp(slice->bytes, string, slice->n) == 0;
}
