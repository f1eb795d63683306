/*
 * purser status: the daemon and the whole story of each
 * credential; for others than administrators what the list tells.
 */
#include "client/cmd.h"
#include "client/cmd_state.h"
#include "client/output.h"
#include "common/wipe.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define STATUS "io.purser.Admin.Status"

static void free_credentials(struct purser_credentials **credentials)
{
        purser_credentials_free(*credentials);
}

enum output_style state_style(const char *state)
{
        static const struct {
                const char *state;
                enum output_style style;
        } styles[] = {
                { "active", STYLE_GOOD },
                { "retrying", STYLE_CAUTION },
                { "outcome-unknown", STYLE_CAUTION },
                { "pending", STYLE_CAUTION },
        };

        for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
                if (strcmp(state, styles[i].state) == 0)
                        return styles[i].style;
        return STYLE_BAD;
}

/* ---- for people ---- */

static void print_field(const char *name, enum output_style style, const char *text)
{
        if (!text || !*text)
                return;
        printf("  %-14s ", name);
        output_text(stdout, style, text);
        putchar('\n');
}

static void print_when(const char *name, int64_t when, int64_t now)
{
        char text[96], until[48], date[48];

        if (when < 0)
                return;
        snprintf(text, sizeof(text), "%s, %s", output_until(when, now, until, sizeof(until)),
                 output_time(when, date, sizeof(date)));
        print_field(name, STYLE_PLAIN, text);
}

static void print_token(const json_t *credential, int64_t now)
{
        int64_t generation = cli_number(credential, "generation", 0),
                failures = cli_number(credential, "failures", 0);
        int64_t next = cli_number(credential, "next_refresh_in_seconds", -1);
        char text[64];

        if (generation > 0) {
                snprintf(text, sizeof(text), "number %lld", (long long)generation);
                print_field("token", STYLE_PLAIN, text);
        }
        print_when("ends", cli_number(credential, "expires_at", -1), now);
        print_when("refreshed", cli_number(credential, "refreshed_at", -1), now);
        if (next >= 0)
                print_field("next refresh", STYLE_PLAIN, output_until(now + next, now, text, sizeof(text)));
        if (failures > 0) {
                snprintf(text, sizeof(text), "%lld in a row", (long long)failures);
                print_field("failures", STYLE_CAUTION, text);
        }
}

static void print_test(const json_t *test, int64_t now)
{
        const char *state = cli_text(test, "version_state");
        bool fine = state && (strcmp(state, "ok") == 0 || strcmp(state, "none") == 0);

        if (!test || json_is_null(test))
                return;
        print_when("tested", cli_number(test, "tested_at", -1), now);
        print_field("test", STYLE_PLAIN, cli_text(test, "message"));
        print_field("version is", fine ? STYLE_GOOD : STYLE_CAUTION, state);
        print_field("answered by", STYLE_PLAIN, cli_text(test, "served_version"));
        print_field("provider says", STYLE_CAUTION, cli_text(test, "version_warning"));
}

static void print_credential(const json_t *credential, int64_t now)
{
        const char *name = cli_text(credential, "name"), *state = cli_text(credential, "state");
        const json_t *warning;
        char account[512];
        size_t i;

        output_text(stdout, STYLE_STRONG, name ? name : "?");
        printf(": ");
        output_text(stdout, state ? state_style(state) : STYLE_BAD, state ? state : "?");
        putchar('\n');

        print_field("meaning", STYLE_PLAIN, cli_text(credential, "message"));
        print_field("next step", STYLE_STRONG, cli_text(credential, "next_step"));
        print_field("last error", STYLE_BAD, cli_text(credential, "last_error"));
        json_array_foreach (json_object_get(credential, "warnings"), i, warning)
                print_field("warning", STYLE_CAUTION, json_string_value(warning));
        if (json_is_false(json_object_get(credential, "saved")))
                print_field("not saved", STYLE_BAD,
                            "the newest tokens are in memory alone; do not stop purserd");
        if (json_is_true(json_object_get(credential, "pending")))
                print_field("pending", STYLE_CAUTION, "the grant of a later login waits for its test");

        print_field("description", STYLE_PLAIN, cli_text(credential, "description"));
        print_field("account", STYLE_PLAIN,
                    cli_account(json_object_get(credential, "account"), account, sizeof(account)));
        print_field("client", STYLE_PLAIN, cli_text(credential, "client"));
        print_field("provider", STYLE_PLAIN, cli_text(credential, "provider"));
        print_field("API version", STYLE_PLAIN, cli_text(credential, "api_version"));
        print_token(credential, now);
        print_when("authorized", cli_number(credential, "authorized_at", -1), now);
        print_test(json_object_get(credential, "test"), now);
}

static void print_daemon(const json_t *daemon, int64_t now)
{
        const char *version = cli_text(daemon, "version"), *store = cli_text(daemon, "store");
        const char *memory = cli_text(daemon, "secret_memory");
        int64_t unsaved = cli_number(daemon, "unsaved", 0);
        char text[128];

        output_text(stdout, STYLE_STRONG, "purserd");
        printf(": ");
        output_text(stdout, STYLE_PLAIN, version ? version : "?");
        printf(", process %lld\n", (long long)cli_number(daemon, "pid", 0));
        print_when("started", cli_number(daemon, "started_at", -1), now);
        print_field("configuration", STYLE_PLAIN, cli_text(daemon, "configuration"));
        print_field("state", STYLE_PLAIN, cli_text(daemon, "state_directory"));
        print_field("sealing key", STYLE_PLAIN, cli_text(daemon, "sealing_key"));
        print_field("store", store && strcmp(store, "ok") == 0 ? STYLE_GOOD : STYLE_BAD, store);
        if (memory)
                print_field("secret memory",
                            strcmp(memory, "memfd_secret") == 0 || strcmp(memory, "locked") == 0 ? STYLE_GOOD
                                                                                                 : STYLE_BAD,
                            memory);
        if (unsaved > 0) {
                snprintf(text, sizeof(text), "%lld credential%s: do not stop purserd", (long long)unsaved,
                         unsaved == 1 ? "" : "s");
                print_field("not saved", STYLE_BAD, text);
        }
        snprintf(text, sizeof(text), "connections: %lld, refreshes in flight: %lld",
                 (long long)cli_number(daemon, "connections", 0),
                 (long long)cli_number(daemon, "refreshes_in_flight", 0));
        print_field("now", STYLE_PLAIN, text);
}

static void print_status(const json_t *status, bool with_daemon)
{
        const json_t *credentials = json_object_get(status, "credentials"), *credential;
        int64_t now = time(NULL);
        size_t i;

        if (with_daemon)
                print_daemon(json_object_get(status, "daemon"), now);
        json_array_foreach (credentials, i, credential) {
                if (with_daemon || i > 0)
                        putchar('\n');
                print_credential(credential, now);
        }
        if (with_daemon && json_array_size(credentials) == 0)
                printf("\nThere is no credential yet: `purser login NAME` makes one.\n");
}

static int show(const struct cli *cli, const char *text, bool json)
{
        _cleanup_(json_decrefp) json_t *status = NULL;
        int r = EX_OK;

        if (json)
                output_json(stdout, text);
        else
                r = cli_parse_reply(cli, text, &status);
        if (status)
                print_status(status, !cli->subject);
        return r;
}

/* ---- for those who are no administrators ---- */

static const struct purser_credential *find(const struct purser_credentials *credentials, const char *name)
{
        const struct purser_credential *credential = NULL;

        for (size_t i = 0; (credential = purser_credentials_get(credentials, i)); i++)
                if (strcmp(credential->name, name) == 0)
                        break;
        return credential;
}

/* The list's reply with one credential left in it. */
static int print_one_as_json(const struct cli *cli, const struct purser_credentials *credentials)
{
        _cleanup_(json_decrefp) json_t *list = NULL;
        const char *name;
        char *text;
        int r;

        r = cli_parse_reply(cli, purser_credentials_json(credentials), &list);
        if (r != EX_OK)
                return r;
        for (size_t i = json_array_size(json_object_get(list, "credentials")); i-- > 0;) {
                name = cli_text(json_array_get(json_object_get(list, "credentials"), i), "name");
                if (!name || strcmp(name, cli->subject) != 0)
                        (void)json_array_remove(json_object_get(list, "credentials"), i);
        }
        text = json_dumps(list, JSON_COMPACT);
        if (!text)
                return cli_fault(cli, "listing", ENOMEM);
        output_json(stdout, text);
        wipe_free(text);
        return EX_OK;
}

/*
 * True when somebody who is no administrator has something to see all the same; *ret is then the exit status.
 * Asks on a connection of its own, so that the failure that led here stays to be told.
 */
static bool show_as_list(const struct cli *cli, bool json, int *ret)
{
        _cleanup_(free_credentials) struct purser_credentials *credentials = NULL;
        _cleanup_(cli_close_purser) struct purser *purser = NULL;

        if (purser_open(&purser, cli->socket) != PURSER_OK ||
            purser_list_credentials(purser, &credentials) != PURSER_OK ||
            purser_credentials_count(credentials) == 0 || (cli->subject && !find(credentials, cli->subject)))
                return false;
        *ret = EX_OK;
        if (!json)
                *ret = list_print(cli, credentials, cli->subject);
        else if (cli->subject)
                *ret = print_one_as_json(cli, credentials);
        else
                output_json(stdout, purser_credentials_json(credentials));
        return true;
}

/* ---- the command ---- */

struct watcher {
        const struct cli *cli;
        bool json, clear;
        int status;
};

static int on_status(void *data, const char *text, int continues)
{
        struct watcher *watcher = data;

        if (watcher->clear)
                fputs("\033[H\033[2J", stdout);
        watcher->status = show(watcher->cli, text, watcher->json);
        if (!watcher->json && !watcher->clear)
                putchar('\n');
        if (fflush(stdout) != 0)
                watcher->status = EX_IOERR;
        return watcher->status == EX_OK ? 0 : -1;
}

static int watch(const struct cli *cli, const char *parameters, bool json)
{
        struct watcher watcher = { .cli = cli, .json = json, .clear = !json && output_columns(stdout) > 0 };
        int r;

        r = purser_call_more(cli->purser, STATUS, parameters, PURSER_CALL_IDEMPOTENT, on_status, &watcher);
        if (r < 0)
                return watcher.status;
        return r == PURSER_OK ? EX_OK : cli_fail(cli, STATUS, r);
}

static int show_once(const struct cli *cli, const char *parameters, bool json)
{
        bool denied;
        char *text;
        int r;

        r = purser_call(cli->purser, STATUS, parameters, PURSER_CALL_IDEMPOTENT, &text);
        if (r == PURSER_OK) {
                r = show(cli, text, json);
                purser_text_free(text);
                return r;
        }
        denied = r == PURSER_E_NOT_PERMITTED && purser_error_name(cli->purser);
        if (denied && show_as_list(cli, json, &r))
                return r;
        /* Of one credential nobody learns more here than by asking for its token. */
        return cli_fail(cli, denied && cli->subject ? "io.purser.Tokens.GetToken" : STATUS, r);
}

static int run_status(struct cli *cli, int argc, char **argv)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        bool json = false, go_on = false;
        const struct cli_option options[] = {
                { "json", NULL, "the reply of io.purser.Admin.Status", CLI_FLAG, &json },
                { "watch", NULL, "show it again whenever something changes", CLI_FLAG, &go_on },
        };
        int r;

        r = cli_parse(cli, options, 2, 0, 1, argc, argv);
        if (r != CLI_GO_ON)
                return r;
        cli_add_text(&parameters, "credential", cli->subject);
        r = cli_parameters_end(cli, &parameters);
        if (r == EX_OK)
                r = cli_connect(cli);
        if (r != EX_OK)
                return r;
        return go_on ? watch(cli, parameters.text.data, json) : show_once(cli, parameters.text.data, json);
}

const struct cmd cmd_status = {
        .name = "status",
        .synopsis = "[NAME]",
        .summary = "Show how purserd and its credentials are doing",
        .details = "Administrators see everything; others see what `purser list` shows them.",
        .run = run_status,
};
