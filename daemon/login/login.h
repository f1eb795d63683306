/*
 * Giving and ending grants: authorization code with PKCE and state, codes of a provider's marketplace, refresh tokens that exist already, and
 * revocation. The order after an exchange is: save as pending, test, put in place, tell.
 */
#pragma once

#include "daemon/vault/context.h"
#include "daemon/vault/credential.h"
#include "daemon/refresh/probe.h"
#include "daemon/refresh/refresh.h"

enum { LOGIN_EXPIRES_SEC = 600, LOGIN_MOST = 256 };

enum login_verdict {
        LOGIN_ACTIVE,
        LOGIN_PENDING, /* saved; the test could not run and is tried again */
        LOGIN_NO_SUCH_CLIENT, /* name: the client */
        LOGIN_CLIENT_REQUIRED,
        LOGIN_NO_SUCH_LOGIN, /* name: the login */
        LOGIN_INVALID, /* name: the parameter; reason */
        LOGIN_REDIRECT_MISMATCH,
        LOGIN_DENIED,
        LOGIN_GRANT_REFUSED,
        LOGIN_CLIENT_REFUSED, /* name: the client */
        LOGIN_ACCOUNT_MISMATCH, /* expected_*, found_* */
        LOGIN_UNAVAILABLE, /* reason, retry_after_usec */
        LOGIN_NOT_SAVED,
};

/* Strings are borrowed for the callback. */
struct login_answer {
        enum login_verdict verdict;
        struct credential *
                credential; /* ACTIVE, PENDING: it, with its test (of a PENDING one in credential->pending->test) */
        const char *name;
        const char *reason;
        const char *expected_id, *expected_name, *found_id, *found_name;
        uint64_t retry_after_usec;
        const char *login, *authorization_url, *redirect_uri; /* of login_begin() */
        unsigned url_expires_sec; /* of authorization_url; 0: it lasts as long as the login */
        const struct oauth_device *device; /* of login_begin_device(), with login */
};

typedef void login_done_fn(const struct login_answer *answer, void *userdata);

struct logins;
struct login_call;
struct oauth_device;

int logins_new(struct logins **ret, struct context *context, struct refresher *refresher,
               struct prober *prober);
struct logins *logins_free(struct logins *logins);
DEFINE_FREEP(struct logins *, logins_free)

/* After a load: pending grants are tested, with back-off, until they take their place or are refused. */
void logins_resume(struct logins *logins);
int logins_resume_one(struct logins *logins, const struct credential *credential);

/* Each calls on_done exactly once: from within (then *ret is NULL), or later from the loop. Freeing the call keeps on_done from running; what was
 * begun goes on, since a grant may come of it. Optional strings are NULL. All are borrowed for the call. */
int login_begin(struct logins *logins, const char *credential, const char *client, const char *description,
                const char *redirect_uri, login_done_fn *on_done, void *userdata, struct login_call **ret);
int login_complete(struct logins *logins, const char *login, const char *redirect, bool switch_account,
                   login_done_fn *on_done, void *userdata, struct login_call **ret);
/*
 * The device flow (RFC 8628): the person goes to a page with a code, on any device. login_complete_device() asks the provider until the
 * person has answered, the code has ended, or the call is freed.
 */
int login_begin_device(struct logins *logins, const char *credential, const char *client,
                       const char *description, login_done_fn *on_done, void *userdata,
                       struct login_call **ret);
int login_complete_device(struct logins *logins, const char *login, bool switch_account,
                          login_done_fn *on_done, void *userdata, struct login_call **ret);
bool login_cancel(struct logins *logins, const char *login); /* false: no such login */
int login_adopt_code(struct logins *logins, const char *credential, const char *client,
                     const struct secret *code, const char *description, const char *redirect_uri,
                     bool switch_account, login_done_fn *on_done, void *userdata, struct login_call **ret);
int login_import(struct logins *logins, const char *credential, const char *client, const char *description,
                 const struct secret *refresh_token, bool switch_account, login_done_fn *on_done,
                 void *userdata, struct login_call **ret);
/* Tests a login that waits for its test (credential->pending) now; answered as a login is. */
int login_test_pending(struct logins *logins, const struct credential *credential, login_done_fn *on_done,
                       void *userdata, struct login_call **ret);
struct login_call *login_call_free(struct login_call *call);
DEFINE_FREEP(struct login_call *, login_call_free)

enum revoke_verdict {
        REVOKE_DONE, /* revoked (or nothing was there to revoke) and forgotten */
        REVOKE_FORGOTTEN, /* forgotten alone: force, or the provider has no way to revoke */
        REVOKE_UNAVAILABLE, /* nothing was forgotten */
        REVOKE_NOT_SAVED, /* the disk refuses; nothing was forgotten */
};

struct revoke_answer {
        enum revoke_verdict verdict;
        const char *message;
        uint64_t retry_after_usec;
        const char *const *also_ended; /* names of other credentials whose grants ended too */
        size_t n_also_ended;
};

typedef void revoke_done_fn(const struct revoke_answer *answer, void *userdata);
struct revoke_call;

int login_revoke(struct logins *logins, struct credential *credential, bool force, revoke_done_fn *on_done,
                 void *userdata, struct revoke_call **ret);
struct revoke_call *revoke_call_free(struct revoke_call *call);
DEFINE_FREEP(struct revoke_call *, revoke_call_free)
