/*
 * Varlink messages (varlink.org): bytes to values and back. Knows no descriptor and no method. A message is one JSON object,
 * ended on the wire by one NUL byte, which the functions here neither see nor write: framing is conn's.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"
#include "common/secret.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
        WIRE_MESSAGE_MAX = 4 * 1024 * 1024, /* bytes of one message; a longer one is refused unread */
        WIRE_DEPTH_MAX = 32, /* nesting of objects and arrays, the message itself included */
        WIRE_CALL_VALUES_MAX = 4096, /* values of one call: each costs the parser forty times its bytes */
};

enum {
        WIRE_E_MALFORMED = 1, /* no message of the protocol; diag says why. The peer is dropped */
};

/*
 * What is counted of a message before anything is built, be it whole or still coming: the parser calls itself for each level, and makes of
 * three bytes a value of a hundred. Zeroed at first.
 */
struct wire_shape {
        size_t n; /* bytes that were looked at */
        size_t depth, n_values;
        bool in_string, escaped;
};

/* Looks at the next bytes of a message. WIRE_E_MALFORMED: it is too deep, or has more values than values_max, whatever follows. */
int wire_shape_add(struct wire_shape *shape, const char *bytes, size_t n, size_t values_max,
                   struct diag *diag);

struct wire_call {
        json_t *root; /* owns everything below */
        const char *method; /* "io.purser.Tokens.GetToken" */
        json_t *parameters; /* an object, never NULL: absent and null become {} */
        bool more, oneway, upgrade;
};

struct wire_reply {
        json_t *root;
        const char *error; /* NULL in a good reply; "org.varlink.service.MethodNotFound" */
        json_t *parameters; /* an object, never NULL */
        bool continues;
};

/* WIRE_E_MALFORMED: not UTF-8 JSON, not an object, a member of the wrong type, too deep. Unknown members are ignored. */
int wire_parse_call(const char *bytes, size_t n, struct wire_call *ret, struct diag *diag);
int wire_parse_reply(const char *bytes, size_t n, struct wire_reply *ret, struct diag *diag);
void wire_call_done(struct wire_call *call); /* wipes nothing by itself: see wipe.h; safe on a zeroed call */
void wire_reply_done(struct wire_reply *reply);

/* Appends a value. */
int wire_append_value(struct secret_buf *buf, const json_t *value);

/* Append one message to buf. parameters is borrowed; NULL means {}. `error` NULL means a good reply. */
int wire_format_call(struct secret_buf *buf, const char *method, const json_t *parameters, bool more,
                     bool oneway);
int wire_format_reply(struct secret_buf *buf, const char *error, const json_t *parameters, bool continues);

/* Appends a JSON string literal, quotes and escapes included. -EILSEQ when the bytes are not UTF-8. */
int wire_append_string(struct secret_buf *buf, const char *bytes, size_t n);
/* The same without the quotes. */
int wire_append_text(struct secret_buf *buf, const char *bytes, size_t n);
