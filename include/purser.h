/*
 * libpurser: access tokens from purserd, the OAuth secrets-manager daemon.
 *
 *     #include <purser.h>                                    cc app.c $(pkg-config --cflags --libs purser)
 *
 *     struct purser *purser;
 *     struct purser_bundle *bundle;
 *     int r;
 *
 *     r = purser_open(&purser, NULL);
 *     if (r != PURSER_OK)
 *             errx(1, "%s", purser_result_text(r));
 *     r = purser_get_token(purser, "acme", NULL, &bundle);
 *     if (r != PURSER_OK)
 *             errx(1, "%s", purser_error(purser));
 *     for (size_t i = 0; i < purser_bundle_n_headers(bundle); i++)
 *             add_header(purser_bundle_header_name(bundle, i), purser_bundle_header_value(bundle, i));
 *     purser_bundle_free(bundle);
 *     purser_close(purser);
 *
 * Ask for a bundle whenever a request is made, rather than keeping one: the daemon keeps the token fresh, and
 * asking costs little beside the request. An API that answers 401 is reported by asking again with
 * `rejected`.
 *
 * Results. A function that can fail returns an int: PURSER_OK (0), or one of the positive numbers of enum
 * purser_result. An output named ret_... is written on success only. purser_error() has the words for the
 * last failure of a handle.
 *
 * Restarts. A handle connects when it is first used, keeps the connection, and connects anew when it is lost.
 * A call that may be repeated (purser_get_token, purser_list_credentials, a watch, and purser_call with
 * PURSER_CALL_IDEMPOTENT) is repeated when the daemon goes away before it answered, until the patience of the
 * handle is used up: a daemon that is being restarted is not noticed. Any other call is repeated only where
 * it surely was not sent.
 *
 * Threads. A handle, and the watches made from it, belong to one thread at a time; different handles may be
 * used by different threads at once. Bundles, lists and texts are independent of the handle that they came
 * from, and may be read by several threads. There is no global state to take care of, no signal is raised (no
 * SIGPIPE), no signal handler or allocator is installed, nothing is printed. After fork() the child may go on
 * using a handle: it connects anew. Bundles, lists and watches stay with the parent: in the child their
 * strings are empty, and freeing them is all that may be done with them.
 *
 * Secrets. Access tokens live in memory that is neither swapped nor dumped, where the limits of the process
 * allow it, and that is wiped when it is freed. What the caller copies is the caller's own affair.
 *
 * Strings are NUL-terminated UTF-8 and belong to the object that they are asked of: they are valid until it
 * is freed. A pointer argument is only borrowed for the call. Times are seconds since 1970-01-01T00:00:00Z by
 * the local clock.
 */
#ifndef PURSER_H
#define PURSER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct purser; /* a handle: one daemon, one connection */
struct purser_bundle; /* everything that a request to the API must carry */
struct purser_credentials; /* a list of credentials */
struct purser_watch; /* one credential, watched for new tokens */

/* Numbers and names are stable; later versions may add more, so treat an unknown number as a failure. */
enum purser_result {
        PURSER_OK = 0,
        PURSER_E_USAGE = 1, /* an argument that cannot be: purser_error() says which */
        PURSER_E_MEMORY = 2, /* out of memory */
        PURSER_E_SYSTEM = 3, /* a system call failed; purser_error() has its words */
        PURSER_E_NO_DAEMON = 4, /* no daemon answers at the socket, and patience is used up */
        PURSER_E_TIMEOUT = 5, /* the daemon did not answer within the timeout of the handle */
        PURSER_E_OUTCOME_UNKNOWN = 6, /* the daemon went away after the call was sent: done, or not done */
        PURSER_E_PROTOCOL = 7, /* the answer breaks the protocol */
        PURSER_E_NOT_PERMITTED =
                8, /* no credential of that name that the caller may use; or no administrator */
        PURSER_E_NO_SUCH_CREDENTIAL = 9, /* administrators are told so; others get PURSER_E_NOT_PERMITTED */
        PURSER_E_AUTHORIZATION_REQUIRED =
                10, /* a person must log in (again): `purser login NAME`. Retrying is no use */
        PURSER_E_TOKEN_UNAVAILABLE = 11, /* no valid token now, perhaps later: see purser_retry_after() */
        PURSER_E_OTHER = 12, /* another error of the daemon: purser_error_name() says which */
        PURSER_E_AGAIN = 13 /* purser_watch_step(): nothing new yet */
};

/* The version of this library: "0.1.0". */
const char *purser_version(void);

/* "PURSER_E_TIMEOUT", for logs; "unknown result" for a number that is not known here. Never freed. */
const char *purser_result_name(int result);

/* A sentence on the result in general: "the daemon did not answer in time". Never freed. */
const char *purser_result_text(int result);

/* ---- handles ---- */

/*
 * Makes a handle. Connects to nothing yet: a daemon that is not there is told by the first call.
 *   socket_path  where purserd listens. NULL: $PURSER_SOCKET; else $XDG_RUNTIME_DIR/purser/purser.sock where
 *                that exists; else /run/purser/purser.sock. (A setuid program does not look at the
 *                environment.)
 * The caller frees *ret with purser_close().
 * PURSER_E_USAGE: the path is empty or longer than a Unix socket's may be (107 bytes). PURSER_E_MEMORY.
 */
int purser_open(struct purser **ret, const char *socket_path);

/* Frees the handle and its connection. Accepts NULL. Free its watches first. */
void purser_close(struct purser *purser);

/* The path that the handle connects to. */
const char *purser_socket_path(const struct purser *purser);

/*
 * How long one call may take in all, in milliseconds; default 120000. The daemon itself answers within its
 * configured `timeout` (30 seconds by default), so this is for a daemon that hangs. A negative number: for
 * ever.
 */
void purser_set_timeout(struct purser *purser, int milliseconds);

/*
 * For how long a daemon that cannot be reached, or goes away, is taken for one that is being restarted, in
 * milliseconds; default 10000. 0: one attempt.
 */
void purser_set_patience(struct purser *purser, int milliseconds);

/* ---- the last failure of a handle: valid until the next call with it, or with one of its watches ---- */

/* One sentence for people, without control characters, never with a secret; "" after a success. */
const char *purser_error(const struct purser *purser);

/*
 * The Varlink name of the daemon's error, "io.purser.Tokens.TokenUnavailable";
 * NULL when it was not the daemon that said no.
 */
const char *purser_error_name(const struct purser *purser);

/* The parameters of that error, as the text of a JSON object; NULL where there is no error of the daemon. */
const char *purser_error_parameters(const struct purser *purser);

/* In how many seconds asking again makes sense; negative when the daemon did not say. */
int64_t purser_retry_after(const struct purser *purser);

/* ---- tokens ---- */

/* Zero the struct (`= { 0 }`) and set what is wanted: members that later versions add are zero by default. */
struct purser_token_options {
        /*
         * For how many seconds the token must still be valid. 0: the daemon's default (60, or
         * half the lifetime of the token where that is less). Negative: whatever token there is.
         */
        int64_t min_valid_seconds;
        /*
         * An access token that the API has just answered 401 to, or NULL. While it is still the
         * current one, it is refreshed before the call returns; otherwise the current one comes back
         * at once. It is safe for many processes to report the same token: it is refreshed once.
         */
        const char *rejected;
        void *reserved[6];
};

/*
 * Asks for the current token of a credential and all that goes with it.
 *   credential  its name
 *   options     NULL: the defaults
 * The caller frees *ret with purser_bundle_free().
 * PURSER_E_AUTHORIZATION_REQUIRED, PURSER_E_TOKEN_UNAVAILABLE, PURSER_E_NOT_PERMITTED,
 * PURSER_E_NO_SUCH_CREDENTIAL, PURSER_E_NO_DAEMON, PURSER_E_TIMEOUT, PURSER_E_PROTOCOL, PURSER_E_OTHER,
 * PURSER_E_USAGE, PURSER_E_MEMORY, PURSER_E_SYSTEM.
 */
int purser_get_token(struct purser *purser, const char *credential,
                     const struct purser_token_options *options, struct purser_bundle **ret);

/* Wipes and frees. Accepts NULL. */
void purser_bundle_free(struct purser_bundle *bundle);

/*
 * A bundle is coherent: token, version, address and account
 * belong together. Use what is in it; mix no two of them.
 */

/* Visible ASCII (0x21 to 0x7e). A secret. */
const char *purser_bundle_access_token(const struct purser_bundle *bundle);

/* RFC 6749 section 7.1; nearly always "Bearer". */
const char *purser_bundle_token_type(const struct purser_bundle *bundle);

/* When the token ends; -1 when nobody knows. */
int64_t purser_bundle_expires_at(const struct purser_bundle *bundle);

/* The API version that the credential is pinned to; NULL where the provider has none. */
const char *purser_bundle_api_version(const struct purser_bundle *bundle);

/* Where the API is; NULL where the provider's description does not say. */
const char *purser_bundle_api_url(const struct purser_bundle *bundle);

/*
 * The header fields that each request must carry: Authorization, and the version header where there is one.
 * Names are tokens of RFC 9110, values hold no control characters: "%s: %s" makes a header line that is safe
 * to send. Values are secret.
 * NULL for an index at or beyond n_headers.
 */
size_t purser_bundle_n_headers(const struct purser_bundle *bundle);
const char *purser_bundle_header_name(const struct purser_bundle *bundle, size_t index);
const char *purser_bundle_header_value(const struct purser_bundle *bundle, size_t index);

/*
 * The account at the provider whose token it is; NULL where
 * it is not known. A name may be missing beside an id.
 */
const char *purser_bundle_account_id(const struct purser_bundle *bundle);
const char *purser_bundle_account_name(const struct purser_bundle *bundle);

/* Counts the tokens of the credential, from 1: another number means another token. */
int64_t purser_bundle_generation(const struct purser_bundle *bundle);

/*
 * Sentences that the owner of the credential ought to read:
 * log them. NULL for an index at or beyond n_warnings.
 */
size_t purser_bundle_n_warnings(const struct purser_bundle *bundle);
const char *purser_bundle_warning(const struct purser_bundle *bundle, size_t index);

/* The reply of io.purser.Tokens.GetToken as it came: the text of a JSON object. Holds the token: a secret. */
const char *purser_bundle_json(const struct purser_bundle *bundle);

/* ---- what there is ---- */

/*
 * What a caller may know of a credential. Later versions
 * may add members at the end. NULL or negative: not known.
 */
struct purser_credential {
        const char *name;
        const char *description; /* what its owner wrote about it; may be "" */
        const char *client; /* the OAuth client registration that holds the grant */
        const char *provider;
        const char
                *state; /* active, retrying, outcome-unknown, authorization-required, unavailable, pending */
        int64_t expires_at; /* when the access token ends; -1: none, or not known */
        const char *api_version; /* NULL where the provider has no versions */
        const char *account_id; /* NULL: not known yet */
        const char *account_name;
        int64_t generation; /* 0 without a token */
        const char *last_error; /* the last trouble in words, and what to do about it; NULL: all is well */
};

/*
 * The credentials that the caller may use, in order of their names; for a stranger, none. The caller frees
 * *ret with purser_credentials_free(). Fails as purser_get_token() does, save for what is about one
 * credential.
 */
int purser_list_credentials(struct purser *purser, struct purser_credentials **ret);
void purser_credentials_free(struct purser_credentials *credentials); /* accepts NULL */

size_t purser_credentials_count(const struct purser_credentials *credentials);

/* NULL for an index at or beyond the count. Valid until the list is freed. */
const struct purser_credential *purser_credentials_get(const struct purser_credentials *credentials,
                                                       size_t index);

/* The reply of io.purser.Tokens.ListCredentials as it came: the text of a JSON object. */
const char *purser_credentials_json(const struct purser_credentials *credentials);

/* ---- watching ---- */

/*
 * A watch gives the current bundle of a credential, and another whenever its token changes. It has a
 * connection of its own, and outlives restarts of the daemon: a bundle that it has given already is not given
 * again.
 *
 * A program with a loop of its own adds purser_watch_fd() to it, for reading, and calls purser_watch_step()
 * whenever it is readable. A program without one calls purser_watch_wait().
 */

/*
 * Makes a watch; asks for nothing yet. The handle must outlive it, and reports its errors.
 * The caller frees *ret with purser_watch_free(). PURSER_E_USAGE, PURSER_E_MEMORY, PURSER_E_SYSTEM.
 */
int purser_watch_new(struct purser *purser, const char *credential, struct purser_watch **ret);
void purser_watch_free(struct purser_watch *watch); /* accepts NULL */

/*
 * A descriptor that is readable whenever purser_watch_step() has something to do; it is readable at once. It
 * stays the same as long as the watch lives, whatever becomes of the connection. Only poll it; it is closed
 * by purser_watch_free().
 */
int purser_watch_fd(const struct purser_watch *watch);

/*
 * Does what can be done without waiting.
 *   PURSER_OK           *ret is a new bundle; the caller frees it with purser_bundle_free()
 *   PURSER_E_AGAIN      nothing new yet; ask again when the descriptor is readable
 *   PURSER_E_NO_DAEMON  the daemon has been away for longer than the patience of the handle. This is told once
 *                       for each absence; the watch goes on looking for it, so going on is allowed
 *   anything else       the watch has ended (PURSER_E_AUTHORIZATION_REQUIRED: a person must log in). Each
 *                       further step returns the same; free it.
 */
int purser_watch_step(struct purser_watch *watch, struct purser_bundle **ret);

/* The same, but waits for up to `milliseconds` (negative: for ever), then PURSER_E_AGAIN. */
int purser_watch_wait(struct purser_watch *watch, int milliseconds, struct purser_bundle **ret);

/* ---- any other method of the daemon: see io.purser.Tokens.varlink and io.purser.Admin.varlink ---- */

enum purser_call_flags {
        PURSER_CALL_IDEMPOTENT = 1 /* calling it twice does no harm: repeat it when the daemon is restarted */
};

/*
 * Calls a method and waits for its reply.
 *   method      "io.purser.Admin.Status"
 *   parameters  the text of a JSON object, in UTF-8; NULL: {}
 *   flags       of enum purser_call_flags, or 0
 *   ret_reply   the parameters of the reply, as the text of a JSON object; the caller frees it with
 *               purser_text_free(). NULL: not wanted
 * An error of the daemon is told as by purser_get_token(); PURSER_E_OTHER where this library has no number for
 * it. PURSER_E_OUTCOME_UNKNOWN: without PURSER_CALL_IDEMPOTENT, when the daemon went away before it answered.
 */
int purser_call(struct purser *purser, const char *method, const char *parameters, unsigned flags,
                char **ret_reply);

/*
 * Called for each reply; the text is valid during the call only. The last reply has continues == 0. Returning
 * anything but 0 ends the call. It may use the handle for other calls, but not close it.
 */
typedef int (*purser_reply_fn)(void *data, const char *reply, int continues);

/*
 * Calls a method with Varlink's flag `more`, on a connection of its own, and hands every reply to on_reply
 * until the last one came. The timeout of the handle holds for the first reply. PURSER_OK: the last reply
 * came; or what on_reply returned, where that is not 0: return negative numbers to tell them from results.
 * With PURSER_CALL_IDEMPOTENT the call outlives restarts of the daemon; replies may then come twice.
 */
int purser_call_more(struct purser *purser, const char *method, const char *parameters, unsigned flags,
                     purser_reply_fn on_reply, void *data);

/* Wipes and frees. Accepts NULL. */
void purser_text_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
