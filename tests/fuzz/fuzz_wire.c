// links: common/
/* What the parser takes, the writer writes so that the parser takes it again, unchanged. */
#include "common/wire.h"
#include "common/wire_brief.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void refused_with_a_reason(int r, const struct diag *diag)
{
        require(r == WIRE_E_MALFORMED);
        require(diag->text[0] != '\0');
}

static void fuzz_call(const char *bytes, size_t n)
{
        struct wire_call call = { 0 }, again = { 0 };
        struct secret_buf buf = SECRET_BUF_INIT(16 << 20);
        struct diag diag = DIAG_INIT;
        int r = wire_parse_call(bytes, n, &call, &diag);

        if (r != 0) {
                refused_with_a_reason(r, &diag);
                return;
        }
        require(wire_format_call(&buf, call.method, call.parameters, call.more, call.oneway && !call.more) ==
                0);
        require(wire_parse_call(buf.data, buf.n, &again, &diag) == 0);
        require(strcmp(call.method, again.method) == 0);
        require(json_equal(call.parameters, again.parameters));
        require(again.more == call.more);
        wire_call_done(&call);
        wire_call_done(&again);
        secret_buf_done(&buf);
}

/* However a message comes in pieces, the count is that of the whole; and what is refused then is refused as a whole. */
static void fuzz_pieces(const char *bytes, size_t n)
{
        struct wire_shape whole = { 0 }, pieces = { 0 };
        struct wire_call call = { 0 };
        struct diag diag = DIAG_INIT;
        int r = wire_shape_add(&whole, bytes, n, WIRE_CALL_VALUES_MAX, &diag), of_pieces = 0;

        for (size_t at = 0, size = 1; at < n && of_pieces == 0; at += size, size = size % 7 + 1) {
                if (size > n - at)
                        size = n - at;
                of_pieces = wire_shape_add(&pieces, bytes + at, size, WIRE_CALL_VALUES_MAX, &diag);
        }
        require(r == of_pieces);
        if (r == 0)
                require(whole.n == n && pieces.n == n && whole.depth == pieces.depth &&
                        whole.n_values == pieces.n_values && whole.in_string == pieces.in_string &&
                        whole.escaped == pieces.escaped);
        else
                refused_with_a_reason(wire_parse_call(bytes, n, &call, &diag), &diag);
}

static bool means(const struct wire_brief_parameter *parameter, const json_t *value)
{
        if (!parameter->is_string)
                return json_is_integer(value) && json_integer_value(value) == parameter->integer;
        return json_is_string(value) && json_string_length(value) == parameter->string.n &&
               memcmp(json_string_value(value), parameter->string.bytes, parameter->string.n) == 0;
}

/* What the quick reader takes is a call, and that call. */
static void fuzz_brief(const char *bytes, size_t n)
{
        struct wire_call call = { 0 };
        struct wire_brief brief;

        if (!wire_read_brief(bytes, n, &brief))
                return;
        require(wire_parse_call(bytes, n, &call, NULL) == 0);
        require(wire_slice_is(&brief.method, call.method) && !call.more && !call.oneway && !call.upgrade);
        require(json_object_size(call.parameters) == brief.n_parameters);
        for (size_t i = 0; i < brief.n_parameters; i++)
                require(means(&brief.parameters[i],
                              json_object_getn(call.parameters, brief.parameters[i].name.bytes,
                                               brief.parameters[i].name.n)));
        wire_call_done(&call);
}

/* Of a call with one method that is written plainly, it is that one. */
static void fuzz_method(const char *bytes, size_t n)
{
        struct wire_call call = { 0 };
        struct wire_slice method;

        if (!wire_find_method(bytes, n, &method))
                return;
        require(method.bytes >= bytes && method.bytes + method.n < bytes + n);
        if (wire_parse_call(bytes, n, &call, NULL) == 0)
                require(wire_slice_is(&method, call.method));
        wire_call_done(&call);
}

static void fuzz_reply(const char *bytes, size_t n)
{
        struct wire_reply reply = { 0 }, again = { 0 };
        struct secret_buf buf = SECRET_BUF_INIT(16 << 20);
        struct diag diag = DIAG_INIT;
        int r = wire_parse_reply(bytes, n, &reply, &diag);

        if (r != 0) {
                refused_with_a_reason(r, &diag);
                return;
        }
        require(wire_format_reply(&buf, reply.error, reply.parameters, reply.continues) == 0);
        require(wire_parse_reply(buf.data, buf.n, &again, &diag) == 0);
        require(!reply.error == !again.error && (!reply.error || strcmp(reply.error, again.error) == 0));
        require(json_equal(reply.parameters, again.parameters));
        require(again.continues == reply.continues);
        wire_reply_done(&reply);
        wire_reply_done(&again);
        secret_buf_done(&buf);
}

/* Any bytes as a string: refused as a whole, or read back as they were. */
static void fuzz_string(const char *bytes, size_t n)
{
        struct secret_buf buf = SECRET_BUF_INIT(16 << 20);
        struct wire_reply reply = { 0 };

        require(secret_buf_append_string(&buf, "{\"error\":") == 0);
        if (wire_append_string(&buf, bytes, n) == 0) {
                require(secret_buf_append_string(&buf, "}") == 0);
                if (n > 0 && memchr(bytes, '\0', n)) {
                        require(wire_parse_reply(buf.data, buf.n, &reply, NULL) == WIRE_E_MALFORMED);
                } else {
                        require(wire_parse_reply(buf.data, buf.n, &reply, NULL) == 0);
                        require(strlen(reply.error) == n && memcmp(reply.error, bytes, n) == 0);
                }
        } else {
                require(strcmp(buf.data, "{\"error\":") == 0);
        }
        wire_reply_done(&reply);
        secret_buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *bytes = (const char *)data;

        fuzz_pieces(bytes, size);
        fuzz_call(bytes, size);
        fuzz_brief(bytes, size);
        fuzz_method(bytes, size);
        fuzz_reply(bytes, size);
        fuzz_string(bytes, size);
        return 0;
}
