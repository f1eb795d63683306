/* An event as JSON: what a program picks from it lies at the top, the whole story in `status`, a sentence for people in `text`. */
#include "daemon/report/hooks_internal.h"

#include "daemon/vault/trouble.h"
#include "daemon/vault/vault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

static json_t *make_head(const struct tidings *tidings, const struct hooks *hooks)
{
        int64_t now = clock_wall_usec(hooks->context->clock) / (int64_t)USEC_PER_SEC;

        return json_pack("{s:s, s:s*, s:I, s:s}", "event", hook_event_name(tidings->event), "after",
                         tidings->after == N_HOOK_EVENTS ? NULL : hook_event_name(tidings->after), "time",
                         (json_int_t)now, "host", hooks->host);
}

static int add(json_t *object, json_t *members)
{
        return members && json_object_update_new(object, members) == 0 ? 0 : fault(-ENOMEM);
}

static int add_words(struct tidings *tidings)
{
        return add(tidings->object, json_pack("{s:s, s:s*}", "message", tidings->message.text, "next_step",
                                              tidings->next_step.text[0] ? tidings->next_step.text : NULL));
}

static int describe(struct tidings *tidings, const struct hooks *hooks, const struct credential *credential)
{
        struct clock *clock = hooks->context->clock;
        struct now now = { clock_boot_usec(clock), clock_wall_usec(clock) };
        const struct client *client = credential->client;
        bool recovered = tidings->event == HOOK_RECOVERED;
        int r;

        tidings->object = make_head(tidings, hooks);
        tidings->also = json_array();
        tidings->client = strdup(credential->client_name);
        if (!tidings->object || !tidings->also || !tidings->client)
                return fault(-ENOMEM);
        trouble_explain(credential, now.boot_usec, recovered ? tidings->after : tidings->event, recovered,
                        &tidings->message, &tidings->next_step);
        r = add(tidings->object,
                json_pack("{s:s, s:s, s:s, s:s}", "credential", credential->name, "description",
                          credential->description, "client", credential->client_name, "provider",
                          client ? client->provider->name : ""));
        if (r == 0)
                r = add_words(tidings);
        if (r == 0 &&
            json_object_set_new(tidings->object, "status", status_credential_details(credential, &now)) < 0)
                r = fault(-ENOMEM);
        return r;
}

int tidings_make(struct tidings *ret, const struct hooks *hooks, const struct credential *credential,
                 enum hook_event event, enum hook_event after)
{
        int r;

        *ret = (struct tidings){ .event = event, .after = after };
        r = describe(ret, hooks, credential);
        if (r < 0)
                tidings_done(ret);
        return r;
}

int tidings_make_of_store(struct tidings *ret, const struct hooks *hooks, bool recovered)
{
        struct vault *vault = hooks->context->vault;
        const char *problem = vault_store_problem(vault);
        int r;

        *ret = (struct tidings){ .event = recovered ? HOOK_RECOVERED : HOOK_SAVING_FAILS,
                                 .after = recovered ? HOOK_SAVING_FAILS : N_HOOK_EVENTS };
        if (recovered) {
                diag_set(&ret->message, "The store takes writes again; everything is saved.");
        } else {
                diag_set(&ret->message,
                         "The store refuses to save (%s); the newest tokens are in memory alone, and a crash "
                         "now "
                         "would lose their grants.",
                         problem ? problem : "unknown reason");
                diag_set(&ret->next_step, "make room or mend the disk under the state directory; do not kill "
                                          "purserd");
        }
        ret->object = make_head(ret, hooks);
        ret->also = json_array();
        ret->client = strdup("");
        r = ret->object && ret->also && ret->client ? add_words(ret) : fault(-ENOMEM);
        if (r == 0)
                r = add(ret->object, json_pack("{s:I}", "unsaved", (json_int_t)vault_unsaved(vault)));
        if (r < 0)
                tidings_done(ret);
        return r;
}

int tidings_add(struct tidings *tidings, const struct credential *credential)
{
        if (json_array_size(tidings->also) < ALSO_MAX &&
            json_array_append_new(tidings->also, json_string(credential->name)) < 0)
                return fault(-ENOMEM);
        tidings->n_also++;
        return 0;
}

/* ---- finishing ---- */

static const char *headline(const struct tidings *tidings)
{
        static const char *const words[N_HOOK_EVENTS] = {
                [HOOK_AUTHORIZATION_REQUIRED] = "needs a login",
                [HOOK_UNAVAILABLE] = "has no valid token",
                [HOOK_FOREIGN_REFRESHER] = "is refreshed by somebody else, too",
                [HOOK_VERSION_TO_BE_REMOVED] = "is pinned to a version that is to be removed",
                [HOOK_VERSION_GONE] = "is pinned to a version that does not serve",
                [HOOK_SAVING_FAILS] = "the disk refuses to save",
                [HOOK_RECOVERED] = "has recovered",
        };

        return tidings->after == HOOK_SAVING_FAILS ? "the disk saves again" : words[tidings->event];
}

/* One line for a subject, and all of it. */
static int add_text(struct tidings *tidings, const struct hooks *hooks)
{
        const char *name = json_string_value(json_object_get(tidings->object, "credential"));
        const char *next = tidings->next_step.text;
        char *subject = NULL, *text = NULL, others[64] = "";
        int r = 0;

        if (tidings->n_also > 0)
                snprintf(others, sizeof(others), " The same of %zu other%s of this client.", tidings->n_also,
                         tidings->n_also == 1 ? "" : "s");
        if (asprintf(&subject, "purser on %s: %s%s%s", hooks->host, name ? name : "", name ? " " : "",
                     headline(tidings)) < 0)
                return fault(-ENOMEM);
        if (asprintf(&text, "%s. %s%s%s%s", subject, tidings->message.text, others, *next ? " Next: " : "",
                     next) < 0) {
                free(subject);
                return fault(-ENOMEM);
        }
        r = add(tidings->object, json_pack("{s:s, s:s}", "subject", subject, "text", text));
        free(subject);
        free(text);
        return r;
}

/* By the library's own function for buffers: what it allocates, it wants to free itself. */
static char *dump_line(const json_t *object)
{
        size_t n = json_dumpb(object, NULL, 0, JSON_COMPACT);
        char *line = n > 0 ? malloc(n + 2) : NULL;

        if (!line)
                return NULL;
        if (json_dumpb(object, line, n, JSON_COMPACT) != n) {
                free(line);
                return NULL;
        }
        memcpy(line + n, "\n", 2);
        return line;
}

char *tidings_finish(struct tidings *tidings, const struct hooks *hooks)
{
        size_t more = tidings->n_also - json_array_size(tidings->also);

        if (add_text(tidings, hooks) < 0 || json_object_set(tidings->object, "also", tidings->also) < 0 ||
            add(tidings->object, json_pack("{s:I}", "also_more", (json_int_t)more)) < 0)
                return NULL;
        return dump_line(tidings->object);
}

void tidings_done(struct tidings *tidings)
{
        json_decref(tidings->object);
        json_decref(tidings->also);
        free(tidings->client);
        *tidings = (struct tidings){ 0 };
}
