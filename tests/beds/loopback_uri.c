#include "tests/beds/loopback_uri.h"

struct loopback_uri parse(const char *text)
{
        struct loopback_uri uri;

        assert_int_equal(loopback_parse_uri(text, &uri, NULL), 0);
        return uri;
}
