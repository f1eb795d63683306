/* Values for people and programs. Members stand in the order of the interface definitions; absent ones are left out. */
#include "daemon/report/status.h"

#include "common/cleanup.h"
#include "common/fault.h"
#include "common/wire.h"

#include <stdbool.h>

/* json_pack's "*" leaves a member out where its value is NULL, so that NULL must not stand for a want of memory. */
static bool add(json_t *object, const char *member, json_t *value)
{
        return json_object_set_new(object, member, value) == 0;
}

static bool add_account(json_t *object, const struct credential *credential)
{
        if (!credential->account_id)
                return true;
        return add(object, "account",
                   json_pack("{s:s, s:s*}", "id", credential->account_id, "name", credential->account_name));
}

json_t *status_credential(const struct credential *credential, const struct now *now)
{
        const struct client *client = credential->client;
        _cleanup_(json_decrefp) json_t *object = NULL;

        object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", credential->name, "description",
                           credential->description, "client", client ? client->name : credential->client_name,
                           "provider", client ? client->provider->name : "", "state",
                           credential_state_name(credential_state(credential, now->boot_usec)));
        if (!object)
                return NULL;
        if (credential->grant.access_token &&
            !add(object, "expires_at",
                 json_integer(credential_expires_at(credential, now->boot_usec, now->wall_usec))))
                return NULL;
        if (json_object_update_new(
                    object, json_pack("{s:s*}", "api_version", credential_api_version(credential))) < 0 ||
            !add_account(object, credential) ||
            json_object_update_new(object, json_pack("{s:I, s:s*}", "generation",
                                                     (json_int_t)credential->grant.generation, "last_error",
                                                     credential_last_error(credential))) < 0)
                return NULL;
        return take_ptr(object);
}

static const char *test_outcome(enum api_verdict verdict)
{
        switch (verdict) {
        case API_OK:
        case API_VERSION_UNSUPPORTED: /* the API did answer; version_state says how */
                return "ok";
        case API_AUTHORIZATION_REQUIRED:
                return "authorization-required";
        case API_TOKEN_REJECTED:
        case API_TRY_AGAIN:
                break;
        }
        return "unavailable";
}

json_t *status_test(const struct credential *credential)
{
        const struct test_result *test = &credential->test;
        _cleanup_(json_decrefp) json_t *object = NULL;

        object = json_pack("{s:s}", "outcome", test_outcome(test->verdict));
        if (!object || !add_account(object, credential))
                return NULL;
        if (json_object_update_new(
                    object,
                    json_pack("{s:s*, s:s*, s:s, s:s*, s:s, s:I}", "api_version", test->api_version,
                              "served_version", test->served_version, "version_state",
                              version_state_name(test->version_state), "version_warning",
                              test->version_warning, "message", test->message ? test->message : "",
                              "tested_at", (json_int_t)(test->tested_wall_usec / (int64_t)USEC_PER_SEC))) < 0)
                return NULL;
        return take_ptr(object);
}

struct sentences {
        json_t *array;
        bool failed;
};

static void on_warning(const char *sentence, void *userdata)
{
        struct sentences *sentences = userdata;

        if (json_array_append_new(sentences->array, json_string(sentence)) < 0)
                sentences->failed = true;
}

static bool add_warnings(json_t *object, const struct credential *credential, uint64_t boot_now)
{
        struct sentences sentences = { .array = json_array() };

        if (!add(object, "warnings", sentences.array))
                return false;
        credential_warnings(credential, boot_now, on_warning, &sentences);
        return !sentences.failed;
}

static int64_t seconds_until(uint64_t then_usec, uint64_t now_usec)
{
        return then_usec >= now_usec ? (int64_t)((then_usec - now_usec) / USEC_PER_SEC)
                                     : -(int64_t)((now_usec - then_usec) / USEC_PER_SEC);
}

/* Negative: it has ended. */
static int64_t expires_in(const struct grant *grant, uint64_t boot_now)
{
        int64_t left_usec = grant->received_boot_usec + (int64_t)grant->lifetime_usec - (int64_t)boot_now;

        return left_usec / (int64_t)USEC_PER_SEC;
}

static bool add_times(json_t *object, const struct credential *credential, uint64_t boot_now)
{
        const struct grant *grant = &credential->grant;

        if (grant->access_token &&
            (!add(object, "token_lifetime_seconds",
                  json_integer((json_int_t)(grant->lifetime_usec / USEC_PER_SEC))) ||
             !add(object, "expires_in_seconds", json_integer(expires_in(grant, boot_now)))))
                return false;
        if (credential->next_refresh_usec != USEC_INFINITY &&
            !add(object, "next_refresh_in_seconds",
                 json_integer(seconds_until(credential->next_refresh_usec, boot_now))))
                return false;
        if (grant->generation > 0 &&
            !add(object, "refreshed_at", json_integer(grant->received_wall_usec / (int64_t)USEC_PER_SEC)))
                return false;
        if (credential->exported_wall_usec != 0 &&
            !add(object, "exported_at", json_integer(credential->exported_wall_usec / (int64_t)USEC_PER_SEC)))
                return false;
        return credential->authorized_wall_usec == 0 ||
               add(object, "authorized_at",
                   json_integer(credential->authorized_wall_usec / (int64_t)USEC_PER_SEC));
}

json_t *status_credential_details(const struct credential *credential, const struct now *now)
{
        _cleanup_(json_decrefp) json_t *object = status_credential(credential, now);
        struct diag message, next_step;

        credential_explain(credential, now->boot_usec, &message, &next_step);
        if (!object ||
            json_object_update_new(object, json_pack("{s:s, s:s*}", "message", message.text, "next_step",
                                                     next_step.text[0] ? next_step.text : NULL)) < 0 ||
            !add_times(object, credential, now->boot_usec) ||
            json_object_update_new(object,
                                   json_pack("{s:I, s:b, s:b}", "failures", (json_int_t)credential->failures,
                                             "saved", !credential->unsaved, "pending",
                                             credential_has_pending(credential))) < 0 ||
            !add_warnings(object, credential, now->boot_usec))
                return NULL;
        if (credential->test.tested_wall_usec > 0 && !add(object, "test", status_test(credential)))
                return NULL;
        return take_ptr(object);
}

json_t *status_client(const struct client *client, const char *secret_state)
{
        return json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s}", "name", client->name, "provider",
                         client->provider->name, "client_id", client->client_id, "redirect_uri",
                         client->redirect_uri, "api_version", client->api_version, "secret", secret_state);
}

const char *status_secret_memory(const struct secret_stats *stats, struct diag *words)
{
        const size_t mib = 1024 * 1024;

        if (stats->bytes_fallback == 0)
                return stats->memfd_secret ? "memfd_secret" : "locked";
        diag_set(words,
                 "%zu of %zu MiB are ordinary memory, which may be swapped and which root can read: "
                 "RLIMIT_MEMLOCK allows no more; raise it (LimitMEMLOCK= of the unit) and restart purserd",
                 (stats->bytes_fallback + mib - 1) / mib, (stats->bytes_mapped + mib - 1) / mib);
        return words->text;
}

json_t *status_daemon(const struct daemon_facts *facts, const struct daemon_state *state)
{
        struct diag words = DIAG_INIT;

        return json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "version", facts->version,
                         "pid", (json_int_t)facts->pid, "started_at", (json_int_t)facts->started_at,
                         "configuration", state->configuration, "state_directory", facts->state_directory,
                         "sealing_key", facts->sealing_key, "store",
                         state->store_problem ? state->store_problem : "ok", "secret_memory",
                         status_secret_memory(&state->secrets, &words), "unsaved", (json_int_t)state->unsaved,
                         "connections", (json_int_t)state->connections, "refreshes_in_flight",
                         (json_int_t)state->refreshes_in_flight);
}
