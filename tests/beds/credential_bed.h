/* A credential of a client of a provider, with a grant. */
#pragma once

#include "daemon/vault/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW (1000 * USEC_PER_SEC)
#define HOUR (3600 * USEC_PER_SEC)

extern struct client client;
extern struct credential *acme;
void set(char **text, const char *value);

/* A credential in the best of states: an hour's token that has just come. */
int setup(void **state);
int teardown(void **state);
