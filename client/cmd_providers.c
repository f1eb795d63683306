/* purser providers: whom clients can be configured for, and what is peculiar to each. */
#include "client/cmd.h"
#include "client/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIST "io.purser.Tokens.ListProviders"

enum { WORDS_MAX = 256 };

static void add_word(char *words, const char *word)
{
        size_t n = strlen(words);

        snprintf(words + n, WORDS_MAX - n, "%s%s", n ? ", " : "", word);
}

/* The last part of a name that is a URN. */
static const char *short_grant(const char *type)
{
        const char *colon = strrchr(type, ':');

        return colon ? colon + 1 : type;
}

/* What is taken for granted is left out: code and refresh token. */
static const char *other_grants(const json_t *provider, char *words)
{
        const json_t *type;
        size_t i;

        *words = '\0';
        json_array_foreach (json_object_get(provider, "grant_types"), i, type) {
                const char *name = json_string_value(type);

                if (name && strcmp(name, "authorization_code") != 0 && strcmp(name, "refresh_token") != 0)
                        add_word(words, short_grant(name));
        }
        return words;
}

static bool is(const json_t *provider, const char *member, const char *value)
{
        const char *text = cli_text(provider, member);

        return text && strcmp(text, value) == 0;
}

static const char *peculiarities(const json_t *provider, char *words)
{
        char word[128];

        *words = '\0';
        if (cli_text(provider, "variable")) {
                snprintf(word, sizeof(word), "needs {%s}", cli_text(provider, "variable"));
                add_word(words, word);
        }
        if (cli_text(provider, "token_header"))
                add_word(words, cli_text(provider, "token_header"));
        if (is(provider, "token_request_format", "json"))
                add_word(words, "JSON requests");
        if (is(provider, "code_challenge_method", "off"))
                add_word(words, "no PKCE");
        if (json_is_false(json_object_get(provider, "scope_in_url")))
                add_word(words, "scopes set on the app");
        if (json_integer_value(json_object_get(provider, "max_replays")) == 0)
                add_word(words, "no second try of a token");
        if (json_is_false(json_object_get(provider, "tested")))
                add_word(words, "no test");
        return words;
}

static bool add_row(struct table *table, const json_t *provider)
{
        char grants[WORDS_MAX], words[WORDS_MAX];
        bool is_signed = json_is_true(json_object_get(provider, "webhooks_signed"));
        const char *revocation = cli_text(provider, "revocation");

        return table_add(table, STYLE_STRONG, cli_text(provider, "name")) &&
               table_add(table, STYLE_PLAIN, cli_text(provider, "default_version")) &&
               table_add(table, STYLE_PLAIN, cli_text(provider, "refresh_token_rotation")) &&
               table_add(table, STYLE_PLAIN, is(provider, "revocation", "none") ? NULL : revocation) &&
               table_add(table, STYLE_PLAIN, is_signed ? "signed" : NULL) &&
               table_add(table, STYLE_PLAIN, other_grants(provider, grants)) &&
               table_add(table, STYLE_PLAIN, peculiarities(provider, words));
}

static int print_providers(const struct cli *cli, const json_t *providers)
{
        static const char *const titles[] = { "NAME",     "VERSION",     "ROTATION",     "REVOCATION",
                                              "WEBHOOKS", "MORE GRANTS", "PECULIARITIES" };
        _cleanup_(table_freep) struct table *table = table_new(titles, sizeof(titles) / sizeof(titles[0]));
        bool added = table;

        for (size_t i = 0; added && i < json_array_size(providers); i++)
                added = add_row(table, json_array_get(providers, i));
        if (!added)
                return cli_fault(cli, "listing", ENOMEM);
        table_print(table, stdout, output_columns(stdout));
        return EX_OK;
}

static int run_providers(struct cli *cli, int argc, char **argv)
{
        _cleanup_(json_decrefp) json_t *reply = NULL;
        bool json = false;
        const struct cli_option options[] = {
                { "json", NULL, "the reply of " LIST, CLI_FLAG, &json },
        };
        int r;

        r = cli_parse(cli, options, 1, 0, 0, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        if (json) {
                char *text;

                r = cli_call_text(cli, LIST, NULL, PURSER_CALL_IDEMPOTENT, &text);
                if (r != EX_OK)
                        return r;
                output_json(stdout, text);
                purser_text_free(text);
                return EX_OK;
        }
        r = cli_call(cli, LIST, NULL, PURSER_CALL_IDEMPOTENT, &reply);
        return r == EX_OK ? print_providers(cli, json_object_get(reply, "providers")) : r;
}

const struct cmd cmd_providers = {
        .name = "providers",
        .synopsis = "",
        .summary = "List the providers that there are files for",
        .details = "Beside what all have - a login, refresh tokens - it shows what is peculiar to each: the "
                   "API version that is "
                   "pinned unless a client says another one, whether refresh tokens rotate, how a grant is "
                   "revoked, and more.",
        .run = run_providers,
};
