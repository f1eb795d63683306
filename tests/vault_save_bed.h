/* A vault with a credential, and what the disk holds of it. */
#pragma once

#include "tests/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

extern struct core core;
extern struct credential *acme;
int setup(void **state);
int teardown(void **state);
void restart(void);

/* Grant number n, as a refresh or a login would bring it. */
void save_numbered(struct credential *credential, unsigned n);
void note(struct credential *credential, unsigned n);
unsigned grant_on_disk(const char *kind);
unsigned fact_on_disk(const char *kind);
bool is_on_disk(const char *kind);
