/* purser status NAME: the whole story of a credential, a field a line. */
#include "client/cmd_state.h"
#include "client/cmd_status.h"

#include <string.h>

enum { FIELD_COLUMN = 17 };

/* Where to, how wide, and what time it is. */
struct page {
        FILE *out;
        size_t columns;
        int64_t now;
};

static void print_field(const struct page *page, const char *name, enum output_style style, const char *text)
{
        if (!text || !*text)
                return;
        fprintf(page->out, "  %-14s ", name);
        output_wrapped(page->out, FIELD_COLUMN, page->columns, style, text);
}

static void print_when(const struct page *page, const char *name, int64_t when)
{
        char text[96], until[48], date[48];

        if (when < 0)
                return;
        snprintf(text, sizeof(text), "%s, %s", output_until(when, page->now, until, sizeof(until)),
                 output_time(when, date, sizeof(date)));
        print_field(page, name, STYLE_PLAIN, text);
}

static void print_token(const struct page *page, const json_t *credential)
{
        int64_t generation = cli_number(credential, "generation", 0);
        int64_t lifetime = cli_number(credential, "token_lifetime_seconds", -1);
        int64_t next = cli_number(credential, "next_refresh_in_seconds", -1);
        int64_t failures = cli_number(credential, "failures", 0);
        char text[96], life[48];

        if (generation > 0) {
                snprintf(text, sizeof(text), "number %lld%s%s", (long long)generation,
                         lifetime > 0 ? ", lives for " : "",
                         lifetime > 0 ? output_duration(lifetime, life, sizeof(life)) : "");
                print_field(page, "token", STYLE_PLAIN, text);
        }
        print_when(page, "ends", cli_number(credential, "expires_at", -1));
        print_when(page, "refreshed", cli_number(credential, "refreshed_at", -1));
        if (next >= 0)
                print_when(page, "next refresh", page->now + next);
        if (failures > 0) {
                snprintf(text, sizeof(text), "%lld in a row", (long long)failures);
                print_field(page, "failures", STYLE_CAUTION, text);
        }
        print_when(page, "authorized", cli_number(credential, "authorized_at", -1));
        print_when(page, "exported", cli_number(credential, "exported_at", -1));
}

static void print_test(const struct page *page, const json_t *test)
{
        const char *state = cli_text(test, "version_state");

        if (!test || json_is_null(test))
                return;
        print_when(page, "tested", cli_number(test, "tested_at", -1));
        print_field(page, "test", STYLE_PLAIN, cli_text(test, "message"));
        print_field(page, "version is", life_style(state), state);
        print_field(page, "answered by", STYLE_PLAIN, cli_text(test, "served_version"));
        print_field(page, "provider says", STYLE_CAUTION, cli_text(test, "version_warning"));
}

/* What the meaning says is not said again. */
static const char *news(const char *text, const char *message)
{
        return text && message && strstr(message, text) ? NULL : text;
}

static void print_trouble(const struct page *page, const json_t *credential)
{
        const char *message = cli_text(credential, "message");
        const json_t *warning;
        size_t i;

        print_field(page, "meaning", STYLE_PLAIN, message);
        print_field(page, "next step", STYLE_STRONG, cli_text(credential, "next_step"));
        print_field(page, "last error", STYLE_BAD, news(cli_text(credential, "last_error"), message));
        json_array_foreach (json_object_get(credential, "warnings"), i, warning)
                print_field(page, "warning", STYLE_CAUTION, news(json_string_value(warning), message));
        if (json_is_false(json_object_get(credential, "saved")))
                print_field(page, "not saved", STYLE_BAD,
                            "the newest tokens are in memory alone; do not stop purserd");
        if (json_is_true(json_object_get(credential, "pending")))
                print_field(page, "pending", STYLE_CAUTION, "the grant of a later login waits for its test");
}

static void print_credential(const struct page *page, const json_t *credential)
{
        const char *name = cli_text(credential, "name"), *state = cli_text(credential, "state");
        char account[512];

        output_text(page->out, STYLE_STRONG, name ? name : "?");
        fputs(": ", page->out);
        output_text(page->out, state ? state_style(state) : STYLE_BAD, state_words(state));
        fputc('\n', page->out);

        print_trouble(page, credential);
        print_field(page, "description", STYLE_PLAIN, cli_text(credential, "description"));
        print_field(page, "account", STYLE_PLAIN,
                    cli_account(json_object_get(credential, "account"), account, sizeof(account)));
        print_field(page, "client", STYLE_PLAIN, cli_text(credential, "client"));
        print_field(page, "provider", STYLE_PLAIN, cli_text(credential, "provider"));
        print_field(page, "API version", STYLE_PLAIN, cli_text(credential, "api_version"));
        print_token(page, credential);
        print_test(page, json_object_get(credential, "test"));
}

void status_print_story(FILE *out, const struct status_view *view)
{
        struct page page = { .out = out, .columns = view->columns, .now = view->now };
        const json_t *credential;
        size_t i;

        json_array_foreach (json_object_get(view->status, "credentials"), i, credential)
                print_credential(&page, credential);
}
