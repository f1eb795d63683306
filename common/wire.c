/* Varlink messages. Positions and rules go into diagnostics, never bytes of the message: those may be secret. */
#include "common/wire.h"

#include "common/plain_text.h"
#include "common/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

static int malformed(struct diag *diag, const char *why)
{
        diag_set(diag, "%s", why);
        return WIRE_E_MALFORMED;
}

/* Only quotes and brackets matter here; whether they fit together is the parser's business. */
int wire_shape_add(struct wire_shape *shape, const char *bytes, size_t n, size_t values_max,
                   struct diag *diag)
{
        struct wire_shape seen = *shape;

        for (size_t i = 0; i < n; i++) {
                char c = bytes[i];

                if (seen.escaped) {
                        seen.escaped = false;
                } else if (seen.in_string) {
                        seen.escaped = c == '\\';
                        seen.in_string = c != '"';
                } else if (c == '"') {
                        seen.in_string = true;
                } else if (c == '{' || c == '[') {
                        if (++seen.depth > WIRE_DEPTH_MAX)
                                return malformed(diag, "the message is nested too deeply");
                        seen.n_values++;
                } else if (c == '}' || c == ']') {
                        if (seen.depth > 0)
                                seen.depth--;
                } else if (c == ',') {
                        seen.n_values++;
                }

                if (seen.n_values > values_max)
                        return malformed(diag, "the message has too many members");
        }
        seen.n += n;
        *shape = seen;
        return 0;
}

static const char *json_trouble(const json_error_t *error)
{
        switch (json_error_code(error)) {
        case json_error_invalid_utf8:
                return "invalid UTF-8";
        case json_error_premature_end_of_input:
                return "it ends too early";
        case json_error_end_of_input_expected:
                return "something follows the object";
        case json_error_duplicate_key:
                return "a member occurs twice";
        case json_error_null_character:
        case json_error_null_byte_in_key:
                return "a string holds U+0000";
        case json_error_numeric_overflow:
                return "a number is too large";
        default:
                return "a syntax error";
        }
}

static int load(const char *bytes, size_t n, size_t values_max, json_t **ret, struct diag *diag)
{
        struct wire_shape shape = { 0 };
        json_error_t error = { 0 };
        json_t *root;
        int r;

        if (n > WIRE_MESSAGE_MAX)
                return malformed(diag, "the message is too long");
        r = wire_shape_add(&shape, bytes, n, values_max, diag);
        if (r != 0)
                return r;

        root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &error);
        /* Only a lack of memory leaves the parser without a word. */
        if (!root && error.text[0] == '\0')
                return fault(-ENOMEM);
        if (!root) {
                diag_set(diag, "the message is no JSON: %s (byte %d)", json_trouble(&error), error.position);
                return WIRE_E_MALFORMED;
        }
        if (!json_is_object(root)) {
                json_decref(root);
                return malformed(diag, "the message is no JSON object");
        }

        *ret = root;
        return 0;
}

/* null counts as absent throughout: Varlink's optional members may be written so. */
static json_t *member(const json_t *root, const char *name)
{
        json_t *value = json_object_get(root, name);

        return json_is_null(value) ? NULL : value;
}

static int get_string(const json_t *root, const char *name, const char **ret, struct diag *diag)
{
        json_t *value = member(root, name);

        if (value && !json_is_string(value)) {
                diag_set(diag, "member '%s' is no string", name);
                return WIRE_E_MALFORMED;
        }
        *ret = json_string_value(value);
        return 0;
}

static int get_flag(const json_t *root, const char *name, bool *ret, struct diag *diag)
{
        json_t *value = member(root, name);

        if (value && !json_is_boolean(value)) {
                diag_set(diag, "member '%s' is neither true nor false", name);
                return WIRE_E_MALFORMED;
        }
        *ret = json_is_true(value);
        return 0;
}

static int get_parameters(json_t *root, json_t **ret, struct diag *diag)
{
        json_t *value = member(root, "parameters");

        if (value && !json_is_object(value))
                return malformed(diag, "member 'parameters' is no object");
        if (!value) {
                value = json_object();
                if (!value || json_object_set_new(root, "parameters", value) < 0)
                        return fault(-ENOMEM);
        }
        *ret = value;
        return 0;
}

int wire_parse_call(const char *bytes, size_t n, struct wire_call *ret, struct diag *diag)
{
        _cleanup_(json_decrefp) json_t *root = NULL;
        struct wire_call call = { 0 };
        int r;

        r = load(bytes, n, WIRE_CALL_VALUES_MAX, &root, diag);
        if (r != 0)
                return r;
        if ((r = get_string(root, "method", &call.method, diag)) != 0 ||
            (r = get_flag(root, "more", &call.more, diag)) != 0 ||
            (r = get_flag(root, "oneway", &call.oneway, diag)) != 0 ||
            (r = get_flag(root, "upgrade", &call.upgrade, diag)) != 0 ||
            (r = get_parameters(root, &call.parameters, diag)) != 0)
                return r;
        if (!call.method)
                return malformed(diag, "member 'method' is missing");

        call.root = take_ptr(root);
        *ret = call;
        return 0;
}

int wire_parse_reply(const char *bytes, size_t n, struct wire_reply *ret, struct diag *diag)
{
        _cleanup_(json_decrefp) json_t *root = NULL;
        struct wire_reply reply = { 0 };
        int r;

        r = load(bytes, n, SIZE_MAX, &root, diag);
        if (r != 0)
                return r;
        if ((r = get_string(root, "error", &reply.error, diag)) != 0 ||
            (r = get_flag(root, "continues", &reply.continues, diag)) != 0 ||
            (r = get_parameters(root, &reply.parameters, diag)) != 0)
                return r;

        reply.root = take_ptr(root);
        *ret = reply;
        return 0;
}

void wire_call_done(struct wire_call *call)
{
        json_decref(call->root);
        *call = (struct wire_call){ 0 };
}

void wire_reply_done(struct wire_reply *reply)
{
        json_decref(reply->root);
        *reply = (struct wire_reply){ 0 };
}

static int append_escape(struct secret_buf *buf, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        char escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

        switch (c) {
        case '"':
        case '\\':
                escape[1] = (char)c;
                break;
        case '\b':
                escape[1] = 'b';
                break;
        case '\f':
                escape[1] = 'f';
                break;
        case '\n':
                escape[1] = 'n';
                break;
        case '\r':
                escape[1] = 'r';
                break;
        case '\t':
                escape[1] = 't';
                break;
        default:
                return secret_buf_append(buf, escape, 6);
        }
        return secret_buf_append(buf, escape, 2);
}

/* Takes back what a failed append left behind, wiped, so that a message is in the buffer as a whole or not at all. */
static int roll_back(struct secret_buf *buf, size_t n, int r)
{
        if (buf->data) {
                explicit_bzero(buf->data + n, buf->n - n);
                buf->n = n;
        }
        return r;
}

static int append_text(struct secret_buf *buf, const unsigned char *p, size_t n)
{
        size_t done = 0, i = 0;
        int r = 0;

        while (r == 0 && (i += plain_text(p + i, n - i)) < n) {
                size_t length;

                length = utf8_sequence(p + i, n - i);
                if (length == 0)
                        return fault(-EILSEQ);
                if (length == 1) {
                        r = secret_buf_append(buf, p + done, i - done);
                        if (r == 0)
                                r = append_escape(buf, p[i]);
                        done = i + 1;
                }
                i += length;
        }
        return r == 0 ? secret_buf_append(buf, p + done, n - done) : r;
}

int wire_append_text(struct secret_buf *buf, const char *bytes, size_t n)
{
        size_t before = buf->n;
        int r = append_text(buf, (const unsigned char *)bytes, n);

        return r == 0 ? 0 : roll_back(buf, before, r);
}

int wire_append_string(struct secret_buf *buf, const char *bytes, size_t n)
{
        size_t before = buf->n;
        int r = secret_buf_append(buf, "\"", 1);

        if (r == 0)
                r = append_text(buf, (const unsigned char *)bytes, n);
        if (r == 0)
                r = secret_buf_append(buf, "\"", 1);
        return r == 0 ? 0 : roll_back(buf, before, r);
}

struct dump {
        struct secret_buf *buf;
        int r;
};

/* The printer tells its caller only that the callback failed; why is kept here. */
static int on_dumped(const char *bytes, size_t n, void *userdata)
{
        struct dump *dump = userdata;

        dump->r = secret_buf_append(dump->buf, bytes, n);
        return dump->r == 0 ? 0 : -1;
}

int wire_append_value(struct secret_buf *buf, const json_t *value)
{
        struct dump dump = { .buf = buf };

        if (json_dump_callback(value, on_dumped, &dump, JSON_COMPACT) < 0)
                return dump.r < 0 ? dump.r : fault(-ENOMEM);
        return 0;
}

static int append_message(struct secret_buf *buf, const char *name, const char *string,
                          const json_t *parameters, const char *flags)
{
        size_t before = buf->n;
        int r;

        assert(!parameters || json_is_object(parameters));

        r = secret_buf_append_string(buf, "{");
        if (r == 0 && string) {
                r = secret_buf_append_string(buf, name);
                if (r == 0)
                        r = wire_append_string(buf, string, strlen(string));
                if (r == 0)
                        r = secret_buf_append_string(buf, ",");
        }
        if (r == 0)
                r = secret_buf_append_string(buf, "\"parameters\":");
        if (r == 0)
                r = parameters ? wire_append_value(buf, parameters) : secret_buf_append_string(buf, "{}");
        if (r == 0)
                r = secret_buf_append_string(buf, flags);
        return r == 0 ? 0 : roll_back(buf, before, r);
}

int wire_format_call(struct secret_buf *buf, const char *method, const json_t *parameters, bool more,
                     bool oneway)
{
        const char *flags = more ? ",\"more\":true}" : oneway ? ",\"oneway\":true}" : "}";

        assert(method);
        assert(!more || !oneway);
        return append_message(buf, "\"method\":", method, parameters, flags);
}

int wire_format_reply(struct secret_buf *buf, const char *error, const json_t *parameters, bool continues)
{
        return append_message(buf, "\"error\":", error, parameters, continues ? ",\"continues\":true}" : "}");
}
