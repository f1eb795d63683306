/* From the records of the store to credentials. What does not open is kept and told. */
#include "daemon/vault/vault_internal.h"

#include "daemon/vault/context.h"
#include "daemon/base/events.h"
#include "daemon/base/log.h"
#include "daemon/base/record.h"

#include <string.h>

struct loading vault_loading(struct vault *vault)
{
        struct context *context = vault->context;
        struct loading loading = {
                .vault = vault,
                .now = { .boot_usec = context_now(context), .wall_usec = clock_wall_usec(context->clock) },
        };

        memcpy(loading.now.boot_id, vault->boot_id, sizeof(loading.now.boot_id));
        return loading;
}

/* The credential that a record speaks of, or its pending one. */
static int require_for(struct vault *vault, const char *kind, const char *name, struct credential **ret)
{
        struct entry *entry = vault_lookup(vault, name, strlen(name));

        if (!entry) {
                int r = vault_add(vault, name, &entry);
                if (r < 0)
                        return r;
                entry->is_fresh = true;
                entry->next_fresh = vault->late.fresh;
                vault->late.fresh = entry;
        }
        *ret = entry->credential;
        return strncmp(kind, "pending-", 8) == 0 ? vault_require_pending(vault, *ret, ret) : 0;
}

/* An outcome that is unknown, after so many tries with the old token. */
static void note_intent(struct credential *credential, unsigned replays)
{
        credential->has_intent = true;
        credential->outcome_unknown = true;
        credential->replays = replays;
}

static int decode_intent(const char *bytes, size_t n, struct credential *credential)
{
        uint64_t generation = UINT64_MAX, replays = 0, at_rest = 0;
        struct record_reader reader;
        struct record_field field;
        int r;

        r = record_open(&reader, bytes, n);
        while (r == 0 && (r = record_next(&reader, &field)) == 0) {
                if (field.tag == VAULT_INTENT_GENERATION)
                        r = record_get_u64(&field, &generation);
                else if (field.tag == VAULT_INTENT_REPLAYS)
                        r = record_get_u64(&field, &replays);
                else if (field.tag == VAULT_INTENT_AT_REST)
                        r = record_get_u64(&field, &at_rest);
        }
        if (r != RECORD_E_END)
                return r < 0 ? r : CREDENTIAL_E_MALFORMED;

        /* Kinds come in order, so the grant has been read. An intent of an older generation was followed by its answer. */
        if (generation == credential->grant.generation)
                note_intent(credential, replays > 1000 ? 1000 : (unsigned)replays + (at_rest ? 0 : 1));
        return 0;
}

static int load_client_secret(struct vault *vault, const char *name, const struct secret *plain)
{
        struct client_secret *item;
        int r;

        r = vault_require_client_secret(vault, name, &item);
        return r < 0 ? r : secret_copy(&item->secret, plain);
}

static bool is_of_credential(const char *kind)
{
        const char *what = strncmp(kind, "pending-", 8) == 0 ? kind + 8 : kind;

        return strcmp(what, "facts") == 0 || strcmp(what, "grant") == 0 || strcmp(what, "intent") == 0;
}

/*
 * A record that does not open is kept: what is lost of it is for its owner to decide. Of an intent nothing is lost: that it is there says that a
 * refresh was under way.
 */
static int keep_unreadable(struct loading *loading, const char *kind, const char *name)
{
        struct credential *credential;
        int r;

        if (!is_of_credential(kind))
                return 0;

        r = require_for(loading->vault, kind, name, &credential);
        if (r < 0)
                return r;
        if (strcmp(kind, vault_kind_intent(credential)) == 0)
                note_intent(credential, 1);
        else
                credential->unreadable = true;
        return 0;
}

static int load_plain(struct loading *loading, const char *kind, const char *name, const struct secret *plain)
{
        const char *bytes = secret_expose(plain);
        struct credential *credential;
        size_t n = secret_size(plain);
        int r;

        if (strcmp(kind, KIND_META) == 0)
                return 0;
        if (strcmp(kind, KIND_CLIENT_SECRET) == 0)
                return load_client_secret(loading->vault, name, plain);
        if (!is_of_credential(kind)) {
                log_warning("The store holds a record of an unknown kind '%s' for '%s'; it is left alone.",
                            kind, name);
                return 0;
        }

        r = require_for(loading->vault, kind, name, &credential);
        if (r < 0)
                return r;
        if (strcmp(kind, vault_kind_facts(credential)) == 0)
                r = credential_decode_facts(bytes, n, credential);
        else if (strcmp(kind, vault_kind_grant(credential)) == 0)
                r = grant_decode(bytes, n, &loading->now, &credential->grant);
        else
                r = decode_intent(bytes, n, credential);
        if (r > 0) {
                log_error("The record '%s' of credential '%s' is malformed; it is kept as it is.", kind,
                          name);
                r = keep_unreadable(loading, kind, name);
        }
        return r;
}

/* It was read before its turn, and may have changed since. */
static bool is_known(struct vault *vault, const char *kind, const char *name)
{
        const struct entry *entry = is_of_credential(kind) ? vault_lookup(vault, name, strlen(name)) : NULL;

        return entry && !entry->is_fresh;
}

int vault_load_record(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata)
{
        _cleanup_(secret_freep) struct secret *plain = NULL;
        struct loading *loading = userdata;
        int r;

        if (is_known(loading->vault, kind, name))
                return 0;
        r = seal_open(loading->vault->seal, kind, name, blob, n, &plain);
        if (r < 0)
                return r;
        if (r > 0) {
                loading->refused += r == SEAL_E_REFUSED;
                loading->newer += r == SEAL_E_NEWER;
                log_error("The record '%s' of '%s' does not open: it was changed, or sealed with another "
                          "key; it is kept as it is.",
                          kind, name);
                return keep_unreadable(loading, kind, name);
        }

        loading->opened++;
        return load_plain(loading, kind, name, plain);
}

/*
 * What the records of a credential say together. Grant and facts are written in one step, and facts alone only beside a grant that is there:
 * one without the other means that somebody has taken it out.
 */
void vault_settle(struct credential *credential)
{
        if (credential->outcome_unknown)
                log_event(&(struct log_event){ .message_id = EVENT_OUTCOME_UNKNOWN,
                                               .level = LOG_LEVEL_WARNING,
                                               .credential = credential->name,
                                               .generation = credential->grant.generation },
                          "The outcome of the last refresh of '%s' before this start is unknown: the old "
                          "refresh token is tried again.",
                          credential->name);
        bool has_facts = *credential->client_name;

        if (has_grant(credential) != has_facts && !credential->unreadable) {
                log_error("Of credential '%s' the store holds %s; it is kept as it is.", credential->name,
                          has_facts ? "no grant any more" : "a grant, and nothing of whose it is");
                credential->unreadable = true;
        }
        if (credential->refusal == REFUSAL_NEVER_AUTHORIZED && has_grant(credential))
                credential->refusal = REFUSAL_NONE;
        if (credential->pending)
                vault_settle(credential->pending);
}

/* ---- what another purserd could not save ---- */

/* What of the store is newer stays: the grant was saved after it had been handed over. The same generation may have another refresh token. */
static int adopt_grant(struct vault_adoption *adoption, struct loading *loading, const struct store_op *op,
                       const struct secret *plain)
{
        _cleanup_(grant_done) struct grant grant = { 0 };
        struct credential *credential;
        int r;

        r = grant_decode(secret_expose(plain), secret_size(plain), &loading->now, &grant);
        if (r == 0)
                r = vault_require(loading->vault, op->name, &credential);
        if (r == 0 && strcmp(op->kind, "pending-grant") == 0)
                r = vault_require_pending(loading->vault, credential, &credential);
        if (r != 0)
                return r;
        if (has_grant(credential) && credential->grant.generation > grant.generation)
                return 0;

        grant_move(&credential->grant, &grant);
        credential->has_intent = credential->outcome_unknown = credential->unreadable = false;
        credential->replays = 0;
        vault_mark_unsaved(adoption->vault, credential, "the purserd before this one could not save them");
        credential->facts_unsaved = true;
        adoption->credential = credential;
        adoption->n_adopted++;
        return 0;
}

static void adopt_deletion(struct vault_adoption *adoption, const struct store_op *op)
{
        struct credential *credential = adoption->credential;

        if (strcmp(op->kind, "pending-grant") == 0 && !credential->is_pending)
                vault_free_pending(adoption->vault, take_ptr(credential->pending));
}

int vault_adopt(struct vault_adoption *adoption, const struct store_op *op)
{
        _cleanup_(secret_freep) struct secret *plain = NULL;
        struct vault *vault = adoption->vault;
        struct loading loading = vault_loading(vault);
        bool is_grant =
                op->blob && (strcmp(op->kind, "grant") == 0 || strcmp(op->kind, "pending-grant") == 0);
        int r;

        /* The other records follow their grant, and go its way. */
        if (is_grant)
                adoption->credential = NULL;
        else if (!adoption->credential || strcmp(adoption->credential->name, op->name) != 0)
                return 0;
        if (!op->blob) {
                adopt_deletion(adoption, op);
                return 0;
        }

        r = seal_open(vault->seal, op->kind, op->name, op->blob, op->n, &plain);
        if (r == 0)
                r = is_grant ? adopt_grant(adoption, &loading, op, plain)
                             : load_plain(&loading, op->kind, op->name, plain);
        if (r > 0) {
                log_error("The record '%s' of '%s' that the purserd before this one could not save does not "
                          "open.",
                          op->kind, op->name);
                adoption->n_refused++;
                r = 0;
        }
        return r;
}

int vault_adopt_end(struct vault_adoption *adoption)
{
        struct vault *vault = adoption->vault;
        int r;

        for (struct entry *entry = TAILQ_FIRST(&vault->entries); entry; entry = TAILQ_NEXT(entry, link))
                if (entry->credential->unsaved && entry->credential->refusal == REFUSAL_NEVER_AUTHORIZED)
                        entry->credential->refusal = REFUSAL_NONE;
        r = vault_bind(vault);
        if (r == 0)
                vault_on_retry(vault);
        return r;
}
