/* The files of a configuration, in a directory of each test. */
#pragma once

#include "daemon/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define ENDPOINTS "authorization_endpoint: https://a.example/a, token_endpoint: https://a.example/t"

/* A directory of one test: purser.yaml, conf.d, vendor and local providers. */
struct place {
        char directory[64];
        char path[256]; /* the last one asked for */
};

const char *path_of(struct place *place, const char *name);
void write_bytes(struct place *place, const char *name, const void *bytes, size_t n, mode_t mode);
void write_file(struct place *place, const char *name, const char *text);
int set_up(void **state);
int tear_down(void **state);
struct config *load_well(struct place *place);
/* With config_load_used(): the result of it, or NULL, and what it gave. */
struct config *load_used(struct place *place, struct problems *problems, int *ret);

/* The lines as one text, without the directory in front of each. */
void tell(struct place *place, struct problems *problems, char *text, size_t size);
void expect_lines(struct place *place, const char *lines);

#define PROVIDER "providers: {p: {" ENDPOINTS "}}\n"

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
