/* A vault with a credential, and what the disk holds of it. */
#pragma once

#include "tests/beds/core_bed.h"

int setup(void **state);

/* Grant number n, as a refresh or a login would bring it. */
void save_numbered(struct credential *credential, unsigned n);
void note(struct credential *credential, unsigned n);
unsigned grant_on_disk(const char *kind);
unsigned fact_on_disk(const char *kind);
