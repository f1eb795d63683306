/*
 * purser status: the daemon and the whole story of each
 * credential; for others than administrators what the list tells.
 */
#include "client/cmd.h"
#include "client/cmd_state.h"
#include "client/cmd_status.h"
#include "common/wipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 1000 }; /* credentials that are asked for at a time */

static void free_credentials(struct purser_credentials **credentials)
{
        purser_credentials_free(*credentials);
}

/* ---- for people ---- */

static int print_status(const struct cli *cli, const json_t *status)
{
        struct status_view view = { .status = status, .now = time(NULL), .columns = output_columns(stdout) };

        if (cli->subject)
                status_print_story(stdout, &view);
        else if (!status_print_table(stdout, &view))
                return cli_fault(cli, "listing", ENOMEM);
        return EX_OK;
}

static int print_json(const struct cli *cli, const json_t *status)
{
        char *text = json_dumps(status, JSON_COMPACT);

        if (!text)
                return cli_fault(cli, "printing the status", ENOMEM);
        output_json(stdout, text);
        wipe_free(text);
        return EX_OK;
}

static int show(const struct cli *cli, const char *text, bool json)
{
        _cleanup_(json_decrefp) json_t *status = NULL;
        int r;

        if (json) {
                output_json(stdout, text);
                return EX_OK;
        }
        r = cli_parse_reply(cli, text, &status);
        return r == EX_OK ? print_status(cli, status) : r;
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

/* Into a file or a pipe: the whole again whenever something changed. */
struct watcher {
        const struct cli *cli;
        bool json;
        int status;
};

static int on_status(void *data, const char *text, int continues)
{
        struct watcher *watcher = data;

        watcher->status = show(watcher->cli, text, watcher->json);
        if (!watcher->json)
                putchar('\n');
        if (fflush(stdout) != 0)
                watcher->status = EX_IOERR;
        return watcher->status == EX_OK ? 0 : -1;
}

static int watch(const struct cli *cli, const char *parameters, bool json)
{
        struct watcher watcher = { .cli = cli, .json = json };
        int r;

        r = purser_call_more(cli->purser, STATUS_METHOD, parameters, PURSER_CALL_IDEMPOTENT, on_status,
                             &watcher);
        if (r < 0)
                return watcher.status;
        return r == PURSER_OK ? EX_OK : cli_fail(cli, STATUS_METHOD, r);
}

/* after NULL: the first. A negative result is an exit status that was told of. */
static int ask_page(const struct cli *cli, const char *after, json_t **ret)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        char *text;
        int r;

        cli_add_text(&parameters, "credential", cli->subject);
        cli_add_number(&parameters, "most", PAGE);
        cli_add_text(&parameters, "after", after);
        r = cli_parameters_end(cli, &parameters);
        if (r != EX_OK)
                return -r;
        r = purser_call(cli->purser, STATUS_METHOD, parameters.text.data, PURSER_CALL_IDEMPOTENT, &text);
        if (r != PURSER_OK)
                return r;
        r = cli_parse_reply(cli, text, ret);
        purser_text_free(text);
        return r == EX_OK ? PURSER_OK : -r;
}

static const char *name_of(const json_t *credentials, size_t index)
{
        return cli_text(json_array_get(credentials, index), "name");
}

/* All pages as one reply. A page that is not full is the last, and so is one that a daemon without pages gives again. */
static int ask_all(const struct cli *cli, json_t **ret)
{
        _cleanup_(json_decrefp) json_t *whole = NULL;
        json_t *credentials;
        size_t n;
        int r;

        r = ask_page(cli, NULL, &whole);
        credentials = json_object_get(whole, "credentials");
        n = json_array_size(credentials);
        while (r == PURSER_OK && n == PAGE) {
                _cleanup_(json_decrefp) json_t *reply = NULL;
                const char *last = name_of(credentials, json_array_size(credentials) - 1);
                json_t *page;

                r = ask_page(cli, last, &reply);
                page = json_object_get(reply, "credentials");
                n = json_array_size(page);
                if (n > 0 && last && name_of(page, 0) && strcmp(name_of(page, 0), last) <= 0)
                        break;
                if (n > 0 && json_array_extend(credentials, page) < 0)
                        return -cli_fault(cli, "reading the status", ENOMEM);
        }
        if (r == PURSER_OK)
                *ret = take_ptr(whole);
        return r;
}

static int show_once(const struct cli *cli, bool json)
{
        _cleanup_(json_decrefp) json_t *status = NULL;
        bool denied;
        int r;

        r = ask_all(cli, &status);
        if (r < 0)
                return -r;
        if (r == PURSER_OK)
                return json ? print_json(cli, status) : print_status(cli, status);
        denied = r == PURSER_E_NOT_PERMITTED && purser_error_name(cli->purser);
        if (denied && show_as_list(cli, json, &r))
                return r;
        /* Of one credential nobody learns more here than by asking for its token. */
        return cli_fail(cli, denied && cli->subject ? "io.purser.Tokens.GetToken" : STATUS_METHOD, r);
}

/* A call that cannot be made is told as it is elsewhere, before the screen is taken. */
static int watch_in_place(struct cli *cli, const char *parameters)
{
        int r = purser_call(cli->purser, STATUS_METHOD, parameters, PURSER_CALL_IDEMPOTENT, NULL);

        return r == PURSER_OK ? status_watch_screen(cli, parameters) : cli_fail(cli, STATUS_METHOD, r);
}

static bool is_screen(void)
{
        const char *term = getenv("TERM");

        return output_columns(stdout) > 0 && term && *term && strcmp(term, "dumb") != 0;
}

static int run_status(struct cli *cli, int argc, char **argv)
{
        _cleanup_(cli_parameters_done) struct cli_parameters parameters = CLI_PARAMETERS_INIT;
        bool json = false, go_on = false;
        const struct cli_option options[] = {
                { "json", NULL, "the reply of io.purser.Admin.Status", CLI_FLAG, &json },
                { "watch", NULL, "go on: in place on a terminal, else again whenever something changes",
                  CLI_FLAG, &go_on },
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
        if (!go_on)
                return show_once(cli, json);
        return !json && is_screen() ? watch_in_place(cli, parameters.text.data)
                                    : watch(cli, parameters.text.data, json);
}

const struct cmd cmd_status = {
        .name = "status",
        .synopsis = "[NAME]",
        .summary = "Show how purserd and its credentials are doing",
        .details = "Administrators see everything; others see what `purser list` shows them.",
        .run = run_status,
};
