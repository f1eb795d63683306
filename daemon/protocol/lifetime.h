/*
 * When an access token ends, from whatever the answer tells, as a lifetime counted from when the answer came, so that a wrong local
 * clock does no harm. Pure.
 */
#pragma once

#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lifetime_source { LIFETIME_EXPIRES_IN, LIFETIME_EXPIRES_AT, LIFETIME_JWT, LIFETIME_DEFAULT };

/* What the answer tells; -1 (INT64_MIN for expires_in) where it tells nothing. All in seconds. */
struct lifetime_facts {
        int64_t expires_in; /* RFC 6749 section 5.1; zero, negative and absurd ones count as not told */
        int64_t expires_at; /* seconds since 1970 */
        int64_t date; /* the answer's Date header */
        int64_t wall; /* the local clock, for want of anything better */
        uint64_t default_usec; /* the provider's default_token_lifetime; 0: one hour */
};

/*
 * In this order: expires_in; expires_at; the access token's own exp (RFC 7519 section 4.1.4); the default. The two absolute ones are
 * counted from the token's iat (section 4.1.6) where it has one, since that comes from the clock that wrote them, else from Date, else
 * from the local clock, less a second that whole seconds may hide. Never more than a year; 0 when the token has ended already.
 */
uint64_t lifetime_usec(const struct lifetime_facts *facts, const struct secret *access_token,
                       enum lifetime_source *ret_source);

/* exp and iat of a JWT's payload, unverified, since only its issuer can verify it; -1 where absent. False when it is no JWT. */
bool jwt_read_times(const char *token, size_t n, int64_t *ret_exp, int64_t *ret_iat);

/* "2024-04-09 21:04:31 UTC", RFC 3339, RFC 9110 dates, or digits (seconds, or milliseconds beyond the year 5138); -1 when it is none. */
int64_t lifetime_parse_time(const char *text);

/* The same of a number: seconds, or milliseconds beyond the year 5138; -1 for a negative one. */
int64_t lifetime_absolute(int64_t number);
