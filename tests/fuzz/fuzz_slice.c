// links: client/libpurser_slice.c common/
// libs: jansson
/* What the library's reader takes and what it makes of it is held against jansson. Copies are of the exact size. */
#include "client/libpurser_slice.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void compare(struct slice value, const json_t *json, struct secret_buf *strings);

static void compare_string(struct slice value, const json_t *json, struct secret_buf *strings)
{
        size_t n = json_string_length(json), offset;
        bool whole = strlen(json_string_value(json)) == n;

        require(slice_is_string(value));
        require(slice_equals(value, json_string_value(json)) == whole);
        require(slice_decode(value, strings, &offset) == (whole ? 0 : SLICE_E_MALFORMED));
        if (whole)
                require(strcmp(strings->data + offset, json_string_value(json)) == 0);
}

static void compare_array(struct slice value, const json_t *json, struct secret_buf *strings)
{
        const char *position = NULL;
        struct slice element;
        size_t i = 0;

        require(slice_is_array(value));
        require(slice_count(value) == json_array_size(json));
        while (slice_next(value, &position, &element))
                compare(element, json_array_get(json, i++), strings);
}

/* Of members with one name jansson keeps the last, so only the number tells whether all were seen. */
static void compare_object(struct slice value, const json_t *json, struct secret_buf *strings)
{
        const char *position = NULL, *name;
        struct slice member, inner;
        json_t *expected;
        size_t n = 0;

        require(slice_is_object(value));
        while (slice_next_member(value, &position, &member, &inner))
                n++;
        require(n >= json_object_size(json));

        json_object_foreach ((json_t *)json, name, expected) {
                struct slice last = { NULL, 0 };

                position = NULL;
                while (slice_next_member(value, &position, &member, &inner))
                        if (slice_equals(member, name))
                                last = inner;
                require(last.p);
                compare(last, expected, strings);
        }
}

static void compare(struct slice value, const json_t *json, struct secret_buf *strings)
{
        int64_t number;

        switch (json_typeof(json)) {
        case JSON_OBJECT:
                compare_object(value, json, strings);
                break;
        case JSON_ARRAY:
                compare_array(value, json, strings);
                break;
        case JSON_STRING:
                compare_string(value, json, strings);
                break;
        case JSON_INTEGER:
                require(slice_to_int(value, &number) && number == json_integer_value(json));
                break;
        case JSON_REAL:
                require(!slice_to_int(value, &number));
                break;
        case JSON_TRUE:
                require(slice_is_true(value));
                break;
        case JSON_FALSE:
                require(!slice_is_true(value) && *value.p == 'f');
                break;
        case JSON_NULL:
                require(slice_is_null(value));
                break;
        }
}

/* What jansson refuses for its own reasons: numbers beyond its types, names with U+0000, and what is nested too deeply for us. */
static bool is_ours_to_take(const json_error_t *error)
{
        return json_error_code(error) == json_error_numeric_overflow ||
               json_error_code(error) == json_error_null_byte_in_key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct secret_buf strings = SECRET_BUF_INIT(16 << 20);
        char *copy = malloc(size + 1);
        struct slice value;
        json_error_t error;
        json_t *json;

        memcpy(copy, data, size);
        json = json_loadb(copy, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        if (slice_parse(copy, size, &value) == 0) {
                require(json || is_ours_to_take(&error));
                require(value.p >= copy && value.p + value.n <= copy + size);
                if (json)
                        compare(value, json, &strings);
        } else if (json && !memchr(copy, '\0', size)) { /* jansson takes a NUL behind the text for its end */
                size_t depth = 0;

                for (size_t i = 0; i < size; i++)
                        depth += copy[i] == '[' || copy[i] == '{';
                require(depth > SLICE_DEPTH_MAX);
        }

        json_decref(json);
        secret_buf_done(&strings);
        free(copy);
        return 0;
}
