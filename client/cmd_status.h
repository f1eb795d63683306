/* What the files of `purser status` share; nobody else includes it. */
#pragma once

#include "client/cli.h"
#include "client/output.h"

#define STATUS_METHOD "io.purser.Admin.Status"

/* status: a reply of STATUS_METHOD. now: seconds since 1970. columns: of the terminal; 0: as many as it takes. */
struct status_view {
        const json_t *status;
        int64_t now;
        size_t columns;
        bool trouble_first; /* before the table rather than behind it: where the end may not be seen */
};

/* cmd_status_table.c: the daemon in a line or two, a row for each credential, and what to do. False: no memory. */
bool status_print_table(FILE *out, const struct status_view *view);
/* cmd_status_story.c: all that is known of each credential in it. */
void status_print_story(FILE *out, const struct status_view *view);

/* cmd_status_screen.c: in place on a terminal, until it is stopped or a call fails for good; gives the exit status. */
int status_watch_screen(struct cli *cli, const char *parameters);
