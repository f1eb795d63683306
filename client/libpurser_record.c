/* The members of a JSON object into the members of a struct, by a table. Knows no particular record. */
#include "client/libpurser_private.h"

#include <string.h>

static int malformed(struct diag *diag, const char *name, const char *what)
{
        diag_set(diag, "member '%s' %s", name, what);
        return RECORD_E_MALFORMED;
}

static int read_field(const struct field *field, struct slice value, void *place, struct secret_buf *memory,
                      struct diag *diag)
{
        size_t offset;
        int r;

        switch (field->kind) {
        case FIELD_TEXT:
                r = slice_decode(value, memory, &offset);
                if (r != 0)
                        return r < 0 ? r : malformed(diag, field->name, "is no string");
                *(const char **)place = memory->data + offset;
                return 0;
        case FIELD_INT:
                return slice_to_int(value, place) ? 0 : malformed(diag, field->name, "is no integer");
        case FIELD_VALUE:
                *(struct slice *)place = value;
                return 0;
        }
        return 0;
}

int record_read(struct slice object, const struct field *fields, size_t n_fields, void *record,
                struct secret_buf *memory, struct diag *diag)
{
        struct slice name, value;
        const char *position = NULL;
        uint64_t seen = 0;
        int r;

        if (!slice_is_object(object)) {
                diag_set(diag, "something that should be an object is none");
                return RECORD_E_MALFORMED;
        }

        while (slice_next_member(object, &position, &name, &value))
                for (size_t i = 0; i < n_fields; i++) {
                        if (slice_is_null(value) || !slice_equals(name, fields[i].name))
                                continue;
                        r = read_field(&fields[i], value, (char *)record + fields[i].offset, memory, diag);
                        if (r != 0)
                                return r;
                        seen |= UINT64_C(1) << i;
                        break;
                }

        for (size_t i = 0; i < n_fields; i++)
                if (fields[i].required && !(seen & UINT64_C(1) << i))
                        return malformed(diag, fields[i].name, "is missing");
        return 0;
}

/*
 * A literal has two quotes and decodes to no more than what is
 * between them, so a NUL behind each fits into the same room.
 */
int record_keep(struct slice parameters, struct secret_buf *memory, struct slice *ret)
{
        int r;

        r = secret_buf_reserve(memory, 2 * parameters.n + 2);
        if (r == 0)
                r = secret_buf_append(memory, parameters.p, parameters.n);
        if (r == 0)
                r = secret_buf_append(memory, "", 1);
        if (r < 0)
                return r;
        *ret = (struct slice){ memory->data, parameters.n };
        return 0;
}

int record_result(struct purser *purser, int outcome, const struct diag *diag)
{
        if (outcome < 0)
                return handle_fault(purser, outcome, "reading a reply of purserd");
        return handle_fail(purser, PURSER_E_PROTOCOL, "a reply of purserd makes no sense: %s", diag->text);
}
