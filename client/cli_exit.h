/*
 * The one table from failures to exit statuses (sysexits.h) and to the line that says what happened and what
 * to do next. Pure: prints nothing.
 */
#pragma once

#include "include/purser.h"

#include <jansson.h>
#include <stddef.h>

/* What is known of a failure. NULL for what is not. */
struct exit_facts {
        int result; /* enum purser_result */
        const char *error; /* purser_error_name() */
        const char *words; /* purser_error() */
        const char *method; /* what was called */
        const json_t *parameters; /* of the error */
        const char *subject; /* the credential or client that the command is about */
        const char *command; /* "purser token" */
};

int exit_status(const struct exit_facts *facts);

/* The line, without its end and without control characters, cut where it does not fit. Returns buffer. */
const char *exit_line(const struct exit_facts *facts, char *buffer, size_t size);
