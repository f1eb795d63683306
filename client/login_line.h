/*
 * Lines of standard input, which hold the code of a login: in secret memory, and none lost behind another.
 */
#pragma once

#include "common/secret.h"

#include <stdbool.h>

/* The next line, without blanks at its end; bytes behind it stay in the buffer. False when there is none yet. */
bool login_take_line(struct secret_buf *input, bool at_end, struct secret **ret);

/* Appends what standard input has now. False at its end, and when it holds more than any redirect. */
bool login_read_more(struct secret_buf *input);
