/*
 * Printing for people: what comes from the daemon or a provider is made harmless before a terminal sees it,
 * tables fit into the width there is, colours are for terminals alone. Knows no protocol.
 */
#pragma once

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum output_style { STYLE_PLAIN, STYLE_STRONG, STYLE_GOOD, STYLE_CAUTION, STYLE_BAD };

/*
 * Appends text to the string in buffer: control characters, what changes the direction of text and what is no
 * UTF-8 become '?', line ends and tabs a blank. Cut at a character where it does not fit. Returns buffer.
 */
const char *output_append(char *buffer, size_t size, const char *text);

/* The columns that text takes on a terminal; LC_CTYPE must be UTF-8. */
size_t output_width(const char *text);

/* Prints it as output_append() does, in colour where that is right for the stream. */
void output_text(FILE *out, enum output_style style, const char *text);

/*
 * The same with a line end, broken at blanks to lines of `columns` (0: one line, however long), of which the first begins at column
 * `indent` already and the others are moved there.
 */
void output_wrapped(FILE *out, size_t indent, size_t columns, enum output_style style, const char *text);

/* Prints JSON text as it is, save that characters a terminal would obey are escaped, which means the same. */
void output_json(FILE *out, const char *json);

/* True when the stream is a terminal and the environment asks for no plain text (no-color.org). */
bool output_has_colour(FILE *out);

/* From now on every stream has colours where this one has: for text that is put together before it is printed. */
void output_colour_as(FILE *out);

/* The columns of the terminal; 0 where the stream is none. */
size_t output_columns(FILE *out);

/* "2026-11-23 21:25:49+00:00", local time. Returns buffer. */
const char *output_time(int64_t seconds, char *buffer, size_t size);

/* "in 42m", "now", "3h 5m ago". Returns buffer. */
const char *output_until(int64_t seconds, int64_t now, char *buffer, size_t size);

/* "42m", "3h 5m", for 0 and less "0s". Returns buffer. */
const char *output_duration(int64_t seconds, char *buffer, size_t size);

/* ---- tables ---- */

struct table;

/* Columns have the titles given, which are borrowed for its life. NULL: no memory. */
struct table *table_new(const char *const *titles, size_t n_columns);
struct table *table_free(struct table *table);
DEFINE_FREEP(struct table *, table_free)

/* The next cell, left to right, row after row. NULL and "" show as "-". False: no memory. */
bool table_add(struct table *table, enum output_style style, const char *text);

/* columns: what the lines may take at most, at the cost of the columns from the right; 0: what they need. */
void table_print(const struct table *table, FILE *out, size_t columns);
