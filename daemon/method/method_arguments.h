/* A call's parameters, through a table, into a struct. Unknown ones are ignored, as Varlink says; null counts as absent. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum argument_kind { ARGUMENT_STRING, ARGUMENT_INT, ARGUMENT_BOOL };

struct optional_int {
        bool given;
        int64_t value;
};

/* offset: of a const char *, a struct optional_int, or a bool. */
struct argument {
        const char *name;
        enum argument_kind kind;
        bool required;
        size_t offset;
};

enum {
        ARGUMENTS_E_INVALID = 1, /* *ret_name is missing, or of another type */
};

/* Strings are borrowed from parameters; absent ones are NULL, absent bools false. ret is written in any case. */
int arguments_read(const json_t *parameters, const struct argument *arguments, size_t n, void *ret,
                   const char **ret_name);
