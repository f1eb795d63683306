/*
 * A stranger's words made fit for a person's eyes: one line, no control characters, bounded, and without anything that looks like a
 * token, since reasons end in logs and on terminals. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Cleans: blanks and line ends become one blank, control characters and what is no UTF-8 become '?', so do the characters that turn the
 * writing direction or have no width. Cut at a character with "..." where it does not fit. Returns the length.
 */
size_t words_clean(char *ret, size_t size, const char *bytes, size_t n);

/* Values that must not be shown, borrowed from the answer that holds them. */
struct hidden_values {
        struct {
                const char *bytes;
                size_t n;
        } items[32];
        size_t n;
        bool overflow; /* there were more: then nothing at all is shown */
};

/* Adds the values of all members, at any depth, whose names speak of secrets: access_token, refresh_token, client_secret, code... */
void hidden_values_collect(struct hidden_values *hidden, const json_t *root);

/* words_clean() with "[hidden]" for the hidden values and for every run of characters that looks like a token. hidden may be NULL. */
size_t words_scrub(char *ret, size_t size, const char *bytes, size_t n, const struct hidden_values *hidden);

/* Where in an error body the words for people lie: error_description, message, error.message, errors[0].message... NULL: none. */
const char *words_of_error(const json_t *root);

/*
 * "SENTENCE (DETAIL).": the sentence, a full stop of its own dropped, with a detail that may be "". The detail gives way where both do
 * not fit.
 */
void words_sentence(char *ret, size_t size, const char *sentence, const char *detail);
