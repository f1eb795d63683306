/* A daemon to call, with one credential, and reloads that go well once. */
#pragma once

#include "tests/beds/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define GET "{\"method\":\"io.purser.Tokens.GetToken\",\"parameters\":{\"credential\":\"acme\"}}"
/* Somebody else than who runs the test. */
#define NOT_US "allow: [{user: 65533}]"

extern struct serve_bed bed;
extern struct credential *acme;
extern int fd;
int setup(void **state);
int teardown(void **state);
void assert_has(const char *text, const char *part);
/* What is answered to the message has that part. */
void assert_hears(const char *message, const char *part);

#define METHOD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
