/* Providers as they are written in files. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define ENDPOINTS                                                                                            \
        "authorization_endpoint: https://id.example.com/authorize\n"                                         \
        "token_endpoint: https://id.example.com/token\n"
