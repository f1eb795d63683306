/* Lines of the metrics' text; what metrics.c, metrics_clients.c and metrics_credentials.c share. */
#pragma once

#include "daemon/report/metrics.h"

#include <stdio.h>

/* type NULL: a counter, see metrics.h. unit NULL: it has none. */
void metrics_family(FILE *out, const char *name, const char *type, const char *unit, const char *help);
/* Backslash, quote and line feed are what the format escapes. */
void metrics_label_value(FILE *out, const char *value);

/* Clients that the configuration no longer has are one: their names come from whoever once made a credential. */
const char *metrics_client_of(const struct credential *credential);
/* How long its token still lives; negative: so long ago it has ended. */
int64_t metrics_expires_in(const struct credential *credential, uint64_t boot_now);

void metrics_put_clients(FILE *out, const struct metrics_clients *clients);
/* True: that was not the last part of theirs. */
bool metrics_put_credentials(FILE *out, const struct metrics_credentials *credentials, size_t part);
