/* A core whose credentials are all due at once, as after an outage. */
#pragma once

#include "tests/beds/core_bed.h"

enum { CREDENTIALS = 10 };

/* `refresh` is YAML. As many as there are places are on the wire afterwards, with refresh tokens "refresh-0" and so on. */
void set_up_due(const char *refresh);
