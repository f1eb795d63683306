/* purser status: the daemon, a row for each credential, and for each that wants somebody what is the matter and what to type. */
#include "client/cmd_state.h"
#include "client/cmd_status.h"

#include <string.h>

enum { TROUBLE_COLUMN = 4 };

/* ---- the daemon ---- */

struct tally {
        const char *state;
        size_t n;
};

/* How many are in which state, in the order in which the states were met. */
static size_t count_states(const json_t *credentials, struct tally *tallies, size_t most)
{
        const json_t *credential;
        size_t i, n = 0;

        json_array_foreach (credentials, i, credential) {
                const char *state = cli_text(credential, "state");
                size_t j = 0;

                while (j < n && state && strcmp(tallies[j].state, state) != 0)
                        j++;
                if (!state || j == most)
                        continue;
                if (j == n)
                        tallies[n++] = (struct tally){ .state = state };
                tallies[j].n++;
        }
        return n;
}

static void print_tallies(FILE *out, const json_t *credentials)
{
        struct tally tallies[8];
        size_t n = count_states(credentials, tallies, sizeof(tallies) / sizeof(tallies[0]));
        char text[96];

        fprintf(out, "%zu credential%s", json_array_size(credentials),
                json_array_size(credentials) == 1 ? "" : "s");
        for (size_t i = 0; i < n; i++) {
                fputs(i == 0 ? ": " : ", ", out);
                snprintf(text, sizeof(text), "%zu %s", tallies[i].n, state_words(tallies[i].state));
                output_text(out, state_style(tallies[i].state), text);
        }
        fputc('\n', out);
}

static bool is_one_of(const char *text, const char *one, const char *other)
{
        return text && (strcmp(text, one) == 0 || strcmp(text, other) == 0);
}

static void print_store(FILE *out, const struct status_view *view, const json_t *daemon)
{
        const char *store = cli_text(daemon, "store");
        int64_t unsaved = cli_number(daemon, "unsaved", 0);
        char text[1024] = "store: ";

        if (is_one_of(store, "ok", "ok") && unsaved == 0)
                return;
        output_append(text, sizeof(text), store ? store : "?");
        if (unsaved > 0) {
                size_t n = strlen(text);

                snprintf(text + n, sizeof(text) - n, "; not saved: %lld credential%s, do not stop purserd",
                         (long long)unsaved, unsaved == 1 ? "" : "s");
        }
        output_wrapped(out, 0, view->columns, STYLE_BAD, text);
}

/* In words it is a trouble. */
static void print_memory(FILE *out, const struct status_view *view, const char *memory)
{
        char text[1024] = "secret memory: ";

        if (!memory || is_one_of(memory, "memfd_secret", "locked"))
                return;
        output_wrapped(out, 0, view->columns, STYLE_BAD, output_append(text, sizeof(text), memory));
}

static void print_daemon(FILE *out, const struct status_view *view)
{
        const json_t *daemon = json_object_get(view->status, "daemon");
        const char *version = cli_text(daemon, "version"), *configuration = cli_text(daemon, "configuration"),
                   *state = cli_text(daemon, "state_directory"), *key = cli_text(daemon, "sealing_key"),
                   *memory = cli_text(daemon, "secret_memory");
        int64_t started = cli_number(daemon, "started_at", view->now);
        char text[2048], uptime[48];

        snprintf(text, sizeof(text),
                 "purserd %s, process %lld, for %s; connections: %lld, refreshes in flight: %lld",
                 version ? version : "?", (long long)cli_number(daemon, "pid", 0),
                 output_duration(view->now - started, uptime, sizeof(uptime)),
                 (long long)cli_number(daemon, "connections", 0),
                 (long long)cli_number(daemon, "refreshes_in_flight", 0));
        output_wrapped(out, 0, view->columns, STYLE_STRONG, text);
        snprintf(text, sizeof(text), "configuration %s, state %s, sealing key: %s%s%s",
                 configuration ? configuration : "?", state ? state : "?", key ? key : "?",
                 is_one_of(memory, "memfd_secret", "locked") ? ", secret memory: " : "",
                 is_one_of(memory, "memfd_secret", "locked") ? memory : "");
        output_wrapped(out, 0, view->columns, STYLE_PLAIN, text);
        print_store(out, view, daemon);
        print_memory(out, view, memory);
        print_tallies(out, json_object_get(view->status, "credentials"));
}

/* ---- the table ---- */

static const char *duration_of(int64_t seconds, bool known, char *buffer, size_t size)
{
        if (!known)
                return "";
        return seconds > 0 ? output_duration(seconds, buffer, size) : "now";
}

static bool add_times(struct table *table, const json_t *credential, int64_t now)
{
        int64_t left = cli_number(credential, "expires_in_seconds", INT64_MIN);
        int64_t refreshed = cli_number(credential, "refreshed_at", -1);
        int64_t next = cli_number(credential, "next_refresh_in_seconds", INT64_MIN);
        char text[48];

        return table_add(table, left <= 0 && left != INT64_MIN ? STYLE_BAD : STYLE_PLAIN,
                         left <= 0 && left != INT64_MIN
                                 ? "ended"
                                 : duration_of(left, left != INT64_MIN, text, sizeof(text))) &&
               table_add(table, STYLE_PLAIN,
                         duration_of(now - refreshed, refreshed >= 0, text, sizeof(text))) &&
               table_add(table, STYLE_PLAIN, duration_of(next, next != INT64_MIN, text, sizeof(text)));
}

/* The version, and what is known of its life: ok, or what the test showed. */
static bool add_version(struct table *table, const json_t *credential)
{
        const char *version = cli_text(credential, "api_version");
        const char *life = cli_text(json_object_get(credential, "test"), "version_state");
        char text[256] = "";

        if (!version)
                return table_add(table, STYLE_PLAIN, "");
        output_append(text, sizeof(text), version);
        if (life && strcmp(life, "none") != 0) {
                output_append(text, sizeof(text), " ");
                output_append(text, sizeof(text), life);
        }
        return table_add(table, life && strcmp(life, "ok") != 0 ? life_style(life) : STYLE_PLAIN, text);
}

static bool add_row(struct table *table, const json_t *credential, int64_t now)
{
        const char *name = cli_text(credential, "name"), *state = cli_text(credential, "state");
        const json_t *account = json_object_get(credential, "account");
        const char *account_name = cli_text(account, "name");
        char generation[32];

        snprintf(generation, sizeof(generation), "%lld", (long long)cli_number(credential, "generation", 0));
        return table_add(table, STYLE_STRONG, name) &&
               table_add(table, state_style(state ? state : ""), state_words(state)) &&
               add_times(table, credential, now) && table_add(table, STYLE_PLAIN, generation) &&
               add_version(table, credential) &&
               table_add(table, STYLE_PLAIN, account_name ? account_name : cli_text(account, "id"));
}

static bool print_rows(FILE *out, const struct status_view *view)
{
        static const char *const titles[] = { "NAME", "STATE", "LEFT",    "LAST",
                                              "NEXT", "TOKEN", "VERSION", "ACCOUNT" };
        _cleanup_(table_freep) struct table *table = table_new(titles, sizeof(titles) / sizeof(titles[0]));
        const json_t *credentials = json_object_get(view->status, "credentials"), *credential;
        bool added = table;
        size_t i;

        json_array_foreach (credentials, i, credential)
                added = added && add_row(table, credential, view->now);
        if (!added)
                return false;
        fputc('\n', out);
        if (json_array_size(credentials) > 0)
                table_print(table, out, view->columns);
        else
                output_wrapped(out, 0, view->columns, STYLE_PLAIN,
                               "There is no credential yet: `purser login NAME` makes one.");
        return true;
}

/* ---- what to do ---- */

static bool is_fine(const json_t *credential)
{
        const char *state = cli_text(credential, "state");

        return state && strcmp(state, "active") == 0 && !cli_text(credential, "next_step") &&
               json_array_size(json_object_get(credential, "warnings")) == 0;
}

static void print_line(FILE *out, const struct status_view *view, enum output_style style, const char *text)
{
        fprintf(out, "%*s", TROUBLE_COLUMN, "");
        output_wrapped(out, TROUBLE_COLUMN, view->columns, style, text);
}

static void print_trouble(FILE *out, const struct status_view *view, const json_t *credential)
{
        const char *name = cli_text(credential, "name"), *state = cli_text(credential, "state"),
                   *message = cli_text(credential, "message"), *next_step = cli_text(credential, "next_step");
        const json_t *warning;
        char text[1024] = "next: ";
        size_t i;

        fputc('\n', out);
        output_text(out, STYLE_STRONG, name ? name : "?");
        fputs(": ", out);
        output_text(out, state_style(state ? state : ""), state_words(state));
        fputc('\n', out);
        if (message)
                print_line(out, view, STYLE_PLAIN, message);
        json_array_foreach (json_object_get(credential, "warnings"), i, warning)
                if (json_is_string(warning) && !(message && strcmp(json_string_value(warning), message) == 0))
                        print_line(out, view, STYLE_CAUTION, json_string_value(warning));
        if (next_step)
                print_line(out, view, STYLE_STRONG, output_append(text, sizeof(text), next_step));
}

static void print_troubles(FILE *out, const struct status_view *view)
{
        const json_t *credentials = json_object_get(view->status, "credentials"), *credential;
        size_t i, n = 0;

        json_array_foreach (credentials, i, credential) {
                if (is_fine(credential))
                        continue;
                print_trouble(out, view, credential);
                n++;
        }
        if (n == json_array_size(credentials))
                return;
        fputc('\n', out);
        output_wrapped(
                out, 0, view->columns, STYLE_PLAIN,
                n == 0 ? "Active: the token is valid and is refreshed before it ends. There is nothing to do."
                       : "The others are active: the token is valid and is refreshed before it ends.");
}

bool status_print_table(FILE *out, const struct status_view *view)
{
        print_daemon(out, view);
        if (view->trouble_first)
                print_troubles(out, view);
        if (!print_rows(out, view))
                return false;
        if (!view->trouble_first)
                print_troubles(out, view);
        return true;
}
