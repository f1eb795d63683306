/* A daemon to call, with a credential of its own and reloads that are counted. */
#pragma once

#include "tests/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

extern struct serve_bed bed;
extern struct credential *acme;
extern int fd;
int setup(void **state);
int teardown(void **state);
void assert_has(const char *text, const char *part);

#define ADMIN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
