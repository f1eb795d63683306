/* Reading answers. Owns what a rule's "contains" means and which words are shown; what follows for anything is the caller's. */
#include "daemon/protocol/answer.h"

#include "common/clock.h"
#include "daemon/base/json_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { RETRY_AFTER_MAX_SEC = 3600 };

int answer_read(struct answer *ret, const struct http_response *response)
{
        *ret = (struct answer){ .response = response, .status = response->status };
        ret->body = response->body.data ? response->body.data : "";
        ret->n_body = response->body.n;
        int r = json_text_parse(ret->body, ret->n_body, &ret->root);
        if (r < 0)
                return r;
        hidden_values_collect(&ret->hidden, ret->root);
        return 0;
}

void answer_done(struct answer *answer)
{
        json_decref(answer->root);
        answer->root = NULL;
}

bool answer_is_success(const struct answer *answer)
{
        return answer->status >= 200 && answer->status < 300;
}

bool answer_is_server_trouble(const struct answer *answer)
{
        return answer->status >= 500;
}

const char *answer_error(const struct answer *answer)
{
        return json_text_string_at(answer->root, "/error");
}

/* memmem(3) without regard to the case of ASCII letters; the body may hold NULs. */
static bool contains(const char *text, size_t n, const char *words)
{
        size_t n_words = strlen(words);

        for (size_t i = 0; n_words <= n && i <= n - n_words; i++)
                if (strncasecmp(text + i, words, n_words) == 0)
                        return true;
        return false;
}

static bool member_matches(const struct answer_rule *rule, const json_t *root)
{
        const char *text = json_text_string_at(root, rule->member);

        return text && (!rule->contains || contains(text, strlen(text), rule->contains));
}

static bool rule_matches(const struct answer_rule *rule, const struct answer *answer)
{
        if (rule->status != 0 && rule->status != answer->status)
                return false;
        if (rule->error) {
                const char *error = answer_error(answer);
                if (!error || strcmp(error, rule->error) != 0)
                        return false;
        }
        if (rule->member)
                return member_matches(rule, answer->root);
        return !rule->contains || contains(answer->body, answer->n_body, rule->contains);
}

const struct answer_rule *answer_find_rule(const struct answer *answer, const struct answer_rule *rules,
                                           size_t n_rules, unsigned meanings)
{
        for (size_t i = 0; i < n_rules; i++)
                if ((meanings & MEANING_BIT(rules[i].meaning)) && rule_matches(&rules[i], answer))
                        return &rules[i];
        return NULL;
}

/* Of a JSON body its message, of a plain text all of it, of a page nothing. */
static size_t scrub_words(const struct answer *answer, const char *words, char *ret, size_t size)
{
        if (!words)
                words = words_of_error(answer->root);
        if (!words && !answer->root && strcmp(answer->response->content_type, "text/plain") == 0)
                return words_scrub(ret, size, answer->body, answer->n_body, NULL);
        return words_scrub(ret, size, words ? words : "", words ? strlen(words) : 0, &answer->hidden);
}

void answer_explain(const struct answer *answer, const char *sentence, const char *words, char *ret,
                    size_t size)
{
        char detail[352], code[64], said[224];
        const char *error = answer_error(answer);
        size_t n_code = words_scrub(code, sizeof code, error ? error : "", error ? strlen(error) : 0,
                                    &answer->hidden);
        size_t n_said = scrub_words(answer, words, said, sizeof said);

        snprintf(detail, sizeof detail, "HTTP %ld%s%s%s%s%s", answer->status, n_code > 0 ? ", " : "", code,
                 n_said > 0 ? ", \"" : "", said, n_said > 0 ? "\"" : "");
        words_sentence(ret, size, sentence, detail);
}

uint64_t answer_retry_after_usec(const struct answer *answer)
{
        int64_t seconds = answer->response->retry_after_sec;

        if (seconds <= 0)
                return 0;
        return (uint64_t)(seconds > RETRY_AFTER_MAX_SEC ? RETRY_AFTER_MAX_SEC : seconds) * USEC_PER_SEC;
}
