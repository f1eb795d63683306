// links: client/libpurser.c client/libpurser_bundle.c client/libpurser_link.c client/libpurser_record.c
// links: client/libpurser_slice.c common/
// libs: jansson
/* A bundle that the library hands out can be sent: whatever the daemon said, no header line has a second one in it. */
#include "client/libpurser_private.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void require_field(const char *text)
{
        for (; *text; text++)
                require(*text == '\t' || (*text >= 0x20 && *text <= 0x7e));
}

static void check(const struct purser_bundle *bundle)
{
        const char *token = purser_bundle_access_token(bundle);

        require(*token && !strpbrk(token, " \t\r\n"));
        require_field(token);
        require(*purser_bundle_token_type(bundle));
        require_field(purser_bundle_token_type(bundle));
        for (size_t i = 0; i < purser_bundle_n_headers(bundle); i++) {
                const char *name = purser_bundle_header_name(bundle, i);

                require(*name && !strpbrk(name, ": \t\r\n"));
                require_field(name);
                require_field(purser_bundle_header_value(bundle, i));
        }
        require(!purser_bundle_header_name(bundle, purser_bundle_n_headers(bundle)));
        for (size_t i = 0; i < purser_bundle_n_warnings(bundle); i++)
                require(purser_bundle_warning(bundle, i) != NULL);
        require(!purser_bundle_warning(bundle, purser_bundle_n_warnings(bundle)));
        require(strlen(purser_bundle_json(bundle)) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct purser_bundle *bundle;
        struct diag diag = DIAG_INIT;
        struct slice value;
        int r;

        if (slice_parse((const char *)data, size, &value) != 0)
                return 0;
        r = bundle_new(&bundle, value, &diag);
        if (r != 0) {
                require(r == RECORD_E_MALFORMED && *diag.text);
                return 0;
        }
        check(bundle);
        purser_bundle_free(bundle);
        return 0;
}
