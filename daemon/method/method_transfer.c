/* io.purser.Admin: backups out and in, in pieces that fit into messages. Knows base64, and nothing of what the bytes mean. */
#include "daemon/base/log.h"
#include "daemon/method/method_internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
        PASSPHRASE_LEAST = 12,
        PIECE_MOST = 2 * 1024 * 1024,
        UPLOAD_MOST = 1024 * 1024 * 1024,
        EXIST_MOST = 20, /* names that an error lists */
};
#define UPLOAD_REST_USEC (600 * USEC_PER_SEC)

static void finish(struct pending *pending, int r)
{
        if (r < 0)
                call_fail(pending->call, r);
        pending_end(pending);
}

/* ---- Export ---- */

static int encode(const uint8_t *bytes, size_t n, char **ret)
{
        size_t size = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
        char *text = malloc(size);

        if (!text)
                return fault(-ENOMEM);
        *ret = sodium_bin2base64(text, size, bytes, n, sodium_base64_VARIANT_ORIGINAL);
        return 0;
}

static int reply_piece(struct call *call, const struct export_piece *piece)
{
        _cleanup_(json_decrefp) json_t *parameters = NULL;
        _cleanup_(freep) char *data = NULL;
        int r;

        r = encode(piece->bytes, piece->n, &data);
        if (r < 0)
                return r;
        parameters =
                json_pack("{s:s, s:I, s:I, s:I}", "data", data, "credentials",
                          (json_int_t)piece->n_credentials, "client_secrets",
                          (json_int_t)piece->n_client_secrets, "left_out", (json_int_t)piece->n_left_out);
        if (!parameters)
                return fault(-ENOMEM);
        if (piece->verdict == EXPORT_PIECE)
                call_reply_continues(call, parameters);
        else
                call_reply(call, parameters);
        return 0;
}

static void on_piece(const struct export_piece *piece, void *userdata)
{
        struct pending *pending = userdata;
        int r;

        switch (piece->verdict) {
        case EXPORT_PIECE:
                pending->sending = true;
                r = reply_piece(pending->call, piece);
                if (r < 0)
                        finish(pending, r);
                break;
        case EXPORT_END:
                finish(pending, reply_piece(pending->call, piece));
                break;
        case EXPORT_NOT_SAVED:
                finish(pending, reply_error(pending->call, OUTCOME_NOT_SAVED,
                                            &(struct error_facts){ .reason = piece->reason }));
                break;
        }
}

/* The peer has read the last piece. */
static void on_drained(void *userdata)
{
        struct pending *pending = userdata;
        int r;

        if (!pending->sending)
                return;
        pending->sending = false;
        r = exporter_go_on(pending->exporter);
        if (r < 0)
                finish(pending, r);
}

static struct backup_cost cost_of(const struct service *service)
{
        static const struct backup_cost cost = BACKUP_COST;

        return service->parts.backup_cost.memlimit > 0 ? service->parts.backup_cost : cost;
}

int method_export(struct service *service, struct call *call)
{
        struct {
                const char *passphrase;
                bool move;
        } args;
        static const struct argument arguments[] = {
                { "passphrase", ARGUMENT_STRING, true, offsetof(__typeof__(args), passphrase) },
                { "move", ARGUMENT_BOOL, false, offsetof(__typeof__(args), move) },
        };
        _cleanup_(secret_freep) struct secret *passphrase = NULL;
        struct backup_cost cost = cost_of(service);
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        if (!call->wire.more || call->wire.oneway)
                return reply_invalid(call, "more", "A backup comes in pieces: call it with `more`.");
        if (strlen(args.passphrase) < PASSPHRASE_LEAST)
                return reply_invalid(call, "passphrase", "It must have 12 characters at least.");
        r = await_all(service, call);
        if (r == 0)
                r = secret_new_string(&passphrase, args.passphrase);
        if (r == 0)
                r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r != 0)
                return r < 0 ? r : 0;
        log_event(&(struct log_event){ .level = LOG_LEVEL_NOTICE,
                                       .peer_pid = call->peer->pid,
                                       .peer_uid = (long)call->peer->uid },
                  "User %ld makes a backup of all grants%s.", (long)call->peer->uid,
                  args.move ? ", which are not refreshed here any more" : "");
        call->on_drained = on_drained;
        r = exporter_new(&pending->exporter, service->parts.context, service->parts.refresher, passphrase,
                         &cost, args.move, on_piece, pending);
        if (r == 0)
                r = exporter_go_on(pending->exporter);
        return pending_started(pending, r);
}

/* ---- KeepGrants ---- */

struct keeping {
        struct service *service;
        size_t n;
};

static int keep_one(struct credential *credential, void *userdata)
{
        struct keeping *keeping = userdata;

        keeping->n += credential->exported_wall_usec != 0;
        transfer_keep(keeping->service->parts.context, keeping->service->parts.refresher, credential);
        return 0;
}

int method_keep_grants(struct service *service, struct call *call)
{
        struct {
                const char *credential;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, false, offsetof(__typeof__(args), credential) },
        };
        struct keeping keeping = { .service = service };
        struct credential *credential;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0 && args.credential) {
                r = find_for_admin(service, call, args.credential, &credential);
                if (r == 0)
                        r = keep_one(credential, &keeping);
        } else if (r == 0 && (r = await_all(service, call)) == 0) {
                r = vault_each(service->parts.context->vault, keep_one, &keeping);
        }
        if (r != 0)
                return r < 0 ? r : 0;
        return reply_values(call, json_pack("{s:I}", "credentials", (json_int_t)keeping.n));
}

/* ---- a backup on its way in ---- */

static void upload_forget(struct service *service)
{
        struct upload *upload = &service->upload;

        timer_stop(service->parts.context->timers, &upload->timer);
        upload->passphrase = secret_free(upload->passphrase);
        free(upload->bytes);
        upload->bytes = NULL;
        upload->n = upload->allocated = 0;
        upload->id[0] = '\0';
}

static void on_rested(void *userdata)
{
        upload_forget(userdata);
}

void transfer_init(struct service *service)
{
        timer_init(&service->upload.timer, on_rested, service);
}

void transfer_done(struct service *service)
{
        upload_forget(service);
        service->restorer = restorer_free(service->restorer);
}

void transfer_forget(const struct pending *pending)
{
        if (pending->service->restoring == pending)
                pending->service->restoring = NULL;
}

static int upload_goes_on(struct service *service)
{
        struct context *context = service->parts.context;

        return timer_set(context->timers, &service->upload.timer,
                         usec_add(context_now(context), UPLOAD_REST_USEC));
}

int method_begin_restore(struct service *service, struct call *call)
{
        struct {
                const char *passphrase;
                bool replace;
        } args;
        static const struct argument arguments[] = {
                { "passphrase", ARGUMENT_STRING, true, offsetof(__typeof__(args), passphrase) },
                { "replace", ARGUMENT_BOOL, false, offsetof(__typeof__(args), replace) },
        };
        struct upload *upload = &service->upload;
        uint8_t id[16];
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        upload_forget(service);
        r = secret_new_string(&upload->passphrase, args.passphrase);
        if (r == 0)
                r = upload_goes_on(service);
        if (r < 0)
                return r;
        upload->replace = args.replace;
        service->parts.context->random_bytes(id, sizeof(id));
        sodium_bin2hex(upload->id, sizeof(upload->id), id, sizeof(id));
        return reply_values(call, json_pack("{s:s}", "restore", upload->id));
}

/* METHOD_E_ANSWERED: there is no such restore. */
static int find_upload(struct service *service, struct call *call, const char *id)
{
        int r;

        if (*id && strcmp(service->upload.id, id) == 0)
                return 0;
        r = reply_error(call, OUTCOME_NO_SUCH_RESTORE, &(struct error_facts){ .name = id });
        return r < 0 ? r : METHOD_E_ANSWERED;
}

static int upload_reserve(struct upload *upload, size_t more)
{
        size_t allocated = upload->allocated > 0 ? upload->allocated : PIECE_MOST;
        uint8_t *bytes;

        while (allocated < upload->n + more)
                allocated *= 2;
        if (allocated == upload->allocated)
                return 0;
        bytes = realloc(upload->bytes, allocated);
        if (!bytes)
                return fault(-ENOMEM);
        upload->bytes = bytes;
        upload->allocated = allocated;
        return 0;
}

int method_put_restore_data(struct service *service, struct call *call)
{
        struct {
                const char *restore, *data;
        } args;
        static const struct argument arguments[] = {
                { "restore", ARGUMENT_STRING, true, offsetof(__typeof__(args), restore) },
                { "data", ARGUMENT_STRING, true, offsetof(__typeof__(args), data) },
        };
        struct upload *upload = &service->upload;
        size_t n_text, n;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = find_upload(service, call, args.restore);
        if (r != 0)
                return r < 0 ? r : 0;
        n_text = strlen(args.data);
        if (n_text > PIECE_MOST / 3 * 4 + 4)
                return reply_invalid(call, "data", "A piece has 2 MiB at most.");
        if (upload->n + n_text > UPLOAD_MOST)
                return reply_invalid(call, "data", "A backup has 1 GiB at most.");
        r = upload_reserve(upload, n_text);
        if (r < 0)
                return r;
        if (sodium_base642bin(upload->bytes + upload->n, upload->allocated - upload->n, args.data, n_text,
                              NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) < 0)
                return reply_invalid(call, "data", "It is not base64.");
        upload->n += n;
        r = upload_goes_on(service);
        if (r == 0)
                call_reply(call, NULL);
        return r;
}

/* ---- CompleteRestore ---- */

/* Each once: those that the credentials here name, and the configuration does not have. */
static int unknown_clients(const struct service *service, const struct restore_answer *answer, json_t *array)
{
        struct vault *vault = service->parts.context->vault;

        for (size_t i = 0; i < answer->n_names; i++) {
                const struct credential *credential = vault_find(vault, answer->names[i]);
                bool known = !credential || credential->client;
                const json_t *there;
                size_t j;

                if (known)
                        continue;
                json_array_foreach (array, j, there)
                        known |= strcmp(json_string_value(there), credential->client_name) == 0;
                if (!known && json_array_size(array) < EXIST_MOST &&
                    json_array_append_new(array, json_string(credential->client_name)) < 0)
                        return fault(-ENOMEM);
        }
        return 0;
}

static int reply_restored(struct service *service, struct call *call, const struct restore_answer *answer)
{
        _cleanup_(json_decrefp) json_t *unknown = json_array();
        int r;

        r = unknown ? unknown_clients(service, answer, unknown) : fault(-ENOMEM);
        if (r < 0)
                return r;
        return reply_values(
                call, json_pack("{s:I, s:I, s:I, s:O, s:I, s:b}", "credentials", (json_int_t)answer->n_names,
                                "client_secrets", (json_int_t)answer->n_client_secrets, "kept",
                                (json_int_t)answer->n_secrets_kept, "unknown_clients", unknown, "made_at",
                                (json_int_t)(answer->made_wall_usec / (int64_t)USEC_PER_SEC), "moved",
                                answer->moved));
}

static int answer_restore(struct service *service, struct call *call, const struct restore_answer *answer)
{
        struct error_facts facts = { .reason = answer->reason };

        switch (answer->verdict) {
        case RESTORE_DONE:
                return reply_restored(service, call, answer);
        case RESTORE_UNUSABLE:
                return reply_error(call, OUTCOME_BACKUP_UNUSABLE, &facts);
        case RESTORE_WRONG_PASSPHRASE:
                return reply_error(call, OUTCOME_WRONG_PASSPHRASE, NULL);
        case RESTORE_EXIST:
                facts.list = answer->names;
                facts.n_list = answer->n_names < EXIST_MOST ? answer->n_names : EXIST_MOST;
                return reply_error(call, OUTCOME_CREDENTIALS_EXIST, &facts);
        case RESTORE_NOT_SAVED:
                break;
        }
        return reply_error(call, OUTCOME_NOT_SAVED, &facts);
}

static void on_restored(const struct restore_answer *answer, void *userdata)
{
        struct service *service = userdata;
        struct pending *pending = service->restoring;

        if (pending)
                finish(pending, answer_restore(service, pending->call, answer));
        service->restorer = restorer_free(service->restorer);
}

int method_complete_restore(struct service *service, struct call *call)
{
        struct {
                const char *restore;
        } args;
        static const struct argument arguments[] = {
                { "restore", ARGUMENT_STRING, true, offsetof(__typeof__(args), restore) },
        };
        struct upload *upload = &service->upload;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = find_upload(service, call, args.restore);
        if (r == 0)
                r = await_all(service, call);
        if (r != 0)
                return r < 0 ? r : 0;
        if (service->restorer)
                return reply_error(call, OUTCOME_NOT_SAVED,
                                   &(struct error_facts){ .reason = "Another restore is being saved." });
        r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r < 0)
                return r;
        service->restoring = pending;
        r = restorer_start(&service->restorer, service->parts.context, service->parts.refresher,
                           service->parts.prober, upload->bytes, upload->n, upload->passphrase,
                           upload->replace, on_restored, service);
        upload_forget(service);
        return pending_started(pending, r);
}
