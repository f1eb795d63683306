/*
 * An answer of a provider as far as any of its endpoints' answers are read alike: its JSON, the rules it meets, and what it says in words,
 * fit to be shown. Pure.
 */
#pragma once

#include "daemon/http/http_message.h"
#include "daemon/base/plain_words.h"
#include "daemon/config/provider.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer {
        const struct http_response *response; /* borrowed */
        long status;
        const char *body; /* borrowed; not NULL */
        size_t n_body;
        json_t *root; /* NULL: no JSON */
        struct hidden_values hidden; /* of root */
};

/* Of a response that was HTTP_ANSWERED. */
int answer_read(struct answer *ret, const struct http_response *response);
void answer_done(struct answer *answer); /* safe on a zeroed one */

bool answer_is_success(const struct answer *answer); /* 2xx */
bool answer_is_server_trouble(const struct answer *answer); /* 5xx */
const char *answer_error(const struct answer *answer); /* the code of RFC 6749 section 5.2; NULL: none */

#define MEANING_BIT(meaning) (1u << (meaning))

/* The first rule that matches, among those whose meaning is in the set; NULL: none. */
const struct answer_rule *answer_find_rule(const struct answer *answer, const struct answer_rule *rules,
                                           size_t n_rules, unsigned meanings);

/* SENTENCE (HTTP 401, invalid_grant, "the provider's words"). words NULL: those that the body has for people, if any. */
void answer_explain(const struct answer *answer, const char *sentence, const char *words, char *ret,
                    size_t size);

/* Retry-After, where it is said, and an hour at most; 0: not said. */
uint64_t answer_retry_after_usec(const struct answer *answer);
