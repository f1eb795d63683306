/* One core for all tests of a program, and what most of them ask of it. Each bed has a setup of its own. */
#pragma once

#include "tests/beds/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

extern struct core core;
extern struct credential *acme, *beta; /* of a setup that gives them */

int teardown(void **state);
/* The process dies and is started again; acme and beta are those of the new one. */
void restart(void);

struct credential *find(const char *name);
size_t in_flight(void);
/* The oldest request in flight, of which there must be one. */
const struct http_request *request(void);
/* All writes become durable, and those that follow from them. */
void save_all(void);
/* Is there a record of this kind of acme's? */
bool is_on_disk(const char *kind);
