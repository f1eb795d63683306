/*
 * The listener that catches the redirect of a login (RFC 8252 section 7.3): on loopback addresses alone, for
 * the one path of the redirect_uri, for as long as one login lasts. It hands the redirect over as it came and
 * answers with what it is given; it knows no daemon, and neither state nor verifier.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"
#include "common/secret.h"

#include <stdbool.h>
#include <stdint.h>

enum {
        LOOPBACK_E_ELSEWHERE =
                1, /* not a redirect_uri that a listener on this machine can serve; diag says why */
        LOOPBACK_E_PORT, /* the port is taken, or may not be used; diag says which and why */
        LOOPBACK_E_TIMEOUT,
        LOOPBACK_E_INTERRUPTED, /* the other descriptor has something to read */
};

struct loopback_uri {
        char host[16]; /* "127.0.0.1", "::1" or "localhost", which is both */
        uint16_t port;
        char authority[32]; /* as a Host header has it: "[::1]:8723" */
        char path[512]; /* "/callback" */
};

/* LOOPBACK_E_ELSEWHERE */
int loopback_parse_uri(const char *redirect_uri, struct loopback_uri *ret, struct diag *diag);

/* What a request says of itself; NULL for a header that is not there. */
struct loopback_request {
        const char *method, *target, *host, *fetch_dest, *origin;
        bool by_stranger; /* another user of this machine */
};

/* The HTTP status with which to refuse it; 0: it is the redirect of a browser. */
unsigned loopback_judge(const struct loopback_uri *uri, const struct loopback_request *request);

struct loopback;

/* Listens. LOOPBACK_E_PORT. */
int loopback_new(struct loopback **ret, const struct loopback_uri *uri, struct diag *diag);
struct loopback *loopback_free(struct loopback *loopback);
DEFINE_FREEP(struct loopback *, loopback_free)

/*
 * Makes a short address of this machine that leads to `url` for as long as the listener lives; `once`: for the
 * first who comes. What stands in the list of processes, where others read it, had better lead there once.
 */
int loopback_lead(struct loopback *loopback, const char *url, bool once, const char **ret);

/*
 * Waits for the redirect until boot time `deadline`, or until other_fd can be read. *ret_redirect: the URL
 * that the browser was sent to. The browser waits for its page from then on. LOOPBACK_E_TIMEOUT,
 * LOOPBACK_E_INTERRUPTED, faults.
 */
int loopback_wait(struct loopback *loopback, int other_fd, uint64_t deadline, struct secret **ret_redirect);

/* Answers the browser that waits, and sees to it that the page is out, unless that takes seconds. */
void loopback_answer(struct loopback *loopback, unsigned status, const char *html);
