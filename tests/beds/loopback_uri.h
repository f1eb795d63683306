/* The redirect_uri of a test, which must be one. */
#pragma once

#include "client/loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct loopback_uri parse(const char *text);
