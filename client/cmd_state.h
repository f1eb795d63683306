/* What list and status share: what states are called and how they look, and the table for those who are no administrators. */
#pragma once

#include "client/cli.h"
#include "client/output.h"

/* The state as people are told of it: in a word that says what is wanted, and that fits a column. NULL: "?". */
const char *state_words(const char *state);
enum output_style state_style(const char *state);
enum output_style life_style(const char *version_state); /* of a pinned API version; NULL: not tested yet */

/* only: the name of the one credential to show; NULL: all. */
int list_print(const struct cli *cli, const struct purser_credentials *credentials, const char *only);
