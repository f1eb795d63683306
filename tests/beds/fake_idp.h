/*
 * A provider with a memory, over the fake network: it rotates refresh tokens, takes a code once, shows an account, and revokes. Refresh tokens are
 * named after the grant that they belong to, and numbered: 'a-0' is the first one of the grant that is there at first, 'b-1' comes of the code,
 * 'i-0' can be imported.
 */
#pragma once

#include "tests/beds/core.h"

/* takes_old: the newest refresh token but one is taken, too, since an answer may have been lost. */
void fake_idp_start(bool takes_old);
/* Answers the oldest request in flight as the provider would. */
void fake_idp_answer(struct core *core);

/* The number of the grant's newest refresh token. */
int fake_idp_newest(char grant);
bool fake_idp_is_revoked(char grant);
bool fake_idp_takes_old(void);
