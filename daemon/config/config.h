/*
 * purser.yaml, conf.d and the provider files, read once into plain structs that never change. A reload reads
 * a second config and swaps. Client secrets are not in here: a config says where each comes from.
 */
#pragma once

#include "common/cleanup.h"
#include "common/secret.h"
#include "daemon/base/jws.h"
#include "daemon/config/problems.h"
#include "daemon/config/provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum allow_kind { ALLOW_USER, ALLOW_GROUP, ALLOW_UNIT };

/* Users and groups are kept by name (or number) and looked up when the config is read. */
struct allow_rule {
        enum allow_kind kind;
        char *name;
        unsigned id; /* uid or gid; of ALLOW_UNIT: unused */
};

struct allow_list {
        bool given; /* false: the default holds (root and the daemon's own user) */
        struct allow_rule *rules;
        size_t n;
};

/* How a client comes by tokens; the words are RFC 6749's. */
enum grant_type {
        GRANT_AUTHORIZATION_CODE, /* section 4.1: a person logs in, and refresh tokens follow; the default */
        GRANT_CLIENT_CREDENTIALS, /* section 4.4: the client asks for itself, as often as it needs one */
};

enum secret_source { SECRET_FROM_CREDENTIAL, SECRET_FROM_FILE, SECRET_FROM_STORE, SECRET_NONE };

/* Where in the files something stands, for mistakes that show later. */
struct config_place {
        const char *file; /* of the same config */
        unsigned line, column;
};

/* The two secrets that a client can have. */
enum secret_kind {
        CLIENT_SECRET,
        CLIENT_KEY, /* a private key in PEM */
};

struct secret_config {
        enum secret_source source;
        char *name; /* the systemd credential's name, or the file's path; NULL otherwise */
        struct config_place place;
};

struct client {
        char *name;
        const struct provider *provider; /* of the same config */
        char *client_id;
        enum grant_type grant_type;
        struct secret_config secret;
        struct secret_config key; /* of private_key_jwt; only one of the two is in the store */
        char *key_id; /* its kid; NULL: none */
        enum jws_algorithm key_algorithm;
        char *redirect_uri; /* NULL where absent: a login must then name one */
        char *api_version; /* NULL where the provider has none; else the client's, or the provider's default */
        char **scopes;
        size_t n_scopes;
        struct allow_list allow;
};

/* What the configuration says of a credential; credentials are also made at run time. */
struct credential_config {
        char *name;
        char *client; /* name of a client of the same config */
        char *description; /* NULL where absent */
        char *api_version; /* NULL: the client's */
        struct allow_list allow; /* not given: the client's */
};

struct refresh_config {
        bool before_is_share; /* true: before_share; false: before_usec */
        unsigned before_share; /* hundredths of the lifetime left at which a token is refreshed; default 25 */
        uint64_t before_usec;
        uint64_t timeout_usec; /* one request to a provider, and a waiting caller's patience; default 30 s */
        unsigned parallel; /* requests in flight to one provider; default 8 */
        unsigned rate; /* refreshes begun in a second, of one provider; default 0: no limit */
        uint64_t test_every_usec; /* `test: 1d`; 0: off (`test: off`) */
};

/* What hooks can be told of. */
enum hook_event {
        HOOK_AUTHORIZATION_REQUIRED, /* a person must log in */
        HOOK_UNAVAILABLE, /* no valid token, and refreshes go on failing */
        HOOK_FOREIGN_REFRESHER, /* somebody else refreshes the same grant */
        HOOK_VERSION_TO_BE_REMOVED, /* the provider has announced the end of the pinned API version */
        HOOK_VERSION_GONE, /* it is not served any more, or another one in its place */
        HOOK_SAVING_FAILS, /* the disk refuses */
        HOOK_RECOVERED, /* one of these is over */
        N_HOOK_EVENTS
};

/* One item of on_event. */
struct hook_config {
        char **command; /* an absolute path and its arguments; ends with NULL */
        size_t n_command;
        unsigned events; /* bits, 1 << enum hook_event; all where none are named */
        uint64_t timeout_usec; /* default 30 s */
        struct config_place place;
};

struct config {
        char *file; /* the main file's path */
        char **files; /* every file that was read, in the order of reading */
        size_t n_files;
        struct provider **providers; /* sorted by name; extended ones resolved */
        size_t n_providers;
        bool is_partial; /* there are provider files that were not read (config_load_used) */
        struct client **clients; /* sorted by name */
        size_t n_clients;
        struct credential_config **credentials; /* sorted by name */
        size_t n_credentials;
        struct refresh_config refresh;
        struct allow_list admins;
        struct hook_config *hooks; /* of all files, in the order of reading */
        size_t n_hooks;
};

enum {
        CONFIG_E_MISTAKES = 1, /* all of them are in problems */
};

/*
 * file: the main file; conf.d lies beside it. provider_dirs: from the least to the most important, a missing
 * directory counts as empty; what `providers:` says wins over all. Unreadable files are mistakes, too; a
 * missing main file is one. The files of conf.d add to what the files before them say of the same client or
 * credential, key by key, but only one of them says what it is (its provider, its client); a provider of the
 * same name replaces the former one, which it extends where it says that it extends its own name.
 */
int config_load(struct config **ret, const char *file, const char *const *provider_dirs,
                size_t n_provider_dirs, struct problems *problems);
/*
 * The same for callers who wait: a provider file that no client needs is not read, so that the result may be partial. Where there is a
 * mistake, everything is read, and every mistake is told.
 */
int config_load_used(struct config **ret, const char *file, const char *const *provider_dirs,
                     size_t n_provider_dirs, struct problems *problems);
/* The providers that a partial one is without, taken from the whole; nothing that points into config changes. */
int config_add_rest(struct config *config, struct config *whole);
struct config *config_free(struct config *config);
DEFINE_FREEP(struct config *, config_free)

const struct client *config_find_client(const struct config *config, const char *name);
const struct provider *config_find_provider(const struct config *config, const char *name);
const struct credential_config *config_find_credential(const struct config *config, const char *name);

enum {
        CLIENT_SECRET_E_MISSING =
                1, /* no such credential or file, or it is empty; diag says which and what to do */
        CLIENT_SECRET_E_UNSAFE, /* the file can be read by others, or is theirs; diag names it */
        /* Too long, several lines, or not visible ASCII (RFC 6749 appendix A.2); of a key: no text. */
        CLIENT_SECRET_E_UNUSABLE,
};

/* Where the client's secret of this kind is. */
const struct secret_config *client_secret_config(const struct client *client, enum secret_kind kind);
/* "client secret" */
const char *secret_kind_words(enum secret_kind kind);

/*
 * Reads a client secret or key that comes from a systemd credential ($CREDENTIALS_DIRECTORY, passed as
 * credentials_directory; NULL when unset) or a file (regular, of root or of `own_uid`, no permission for
 * others, none for a group but read of root's or the own one). Symbolic links are followed, since that is how
 * Kubernetes lays secrets down; what counts is the file they lead to. One newline at the end of a secret is dropped.
 * SECRET_FROM_STORE and SECRET_NONE are not for this function.
 */
int client_secret_read(struct secret **ret, const struct client *client, enum secret_kind kind,
                       const char *credentials_directory, unsigned own_uid, struct diag *diag);

/*
 * Whether what was typed in for the store can be one of this kind: a key that can sign, and no key where a secret belongs, which would be sent.
 */
int client_secret_check(const struct client *client, enum secret_kind kind, const struct secret *secret,
                        struct diag *diag);

/*
 * Checks every client's secret and key that can be checked from here: not the store, and systemd credentials
 * only where there is a credentials_directory, since nobody but the unit itself sees them. Mistakes go to
 * problems: CONFIG_E_MISTAKES.
 */
int config_check_secrets(const struct config *config, const char *credentials_directory, unsigned own_uid,
                         struct problems *problems);

/* "authorization-required" */
const char *hook_event_name(enum hook_event event);

enum {
        HOOK_E_UNUSABLE = 1, /* no program that may be run, or one that others may change; diag says which */
};

/*
 * Looks at a hook's program: a regular file that may be executed, of root or `own_uid`, which nobody else may
 * write. A path leads where it leads at this moment, so that it is looked at before each run.
 */
int hook_check(const struct hook_config *hook, unsigned own_uid, struct diag *diag);
/* The same for all; mistakes go to problems: CONFIG_E_MISTAKES. */
int config_check_hooks(const struct config *config, unsigned own_uid, struct problems *problems);

/*
 * 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit: names of credentials, clients and
 * providers.
 */
bool name_is_valid(const char *name);
#define NAME_MUST "1 to 64 letters, digits, dots, underscores and hyphens, beginning with a letter or digit"
