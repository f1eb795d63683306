/*
 * A daemon that a thread plays by a script: a list of steps, each of which must come true. What the script did not foresee is a failure of
 * the test. A test that links this names -Wl,--wrap=connect in its `// ldflags:` line.
 */
#pragma once

#include "include/purser.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define TOKEN "eyJhbGciOiJIUzI1NiJ9.one.planted-access-token"
#define HEADERS(token)                                                                                       \
        "\"headers\":[{\"name\":\"Authorization\",\"value\":\"Bearer " token "\"},"                          \
        "{\"name\":\"X-JOBBER-GRAPHQL-VERSION\",\"value\":\"2023-08-18\"}]"
#define BUNDLE(token, generation)                                                                            \
        "{\"access_token\":\"" token "\",\"token_type\":\"Bearer\",\"expires_at\":1790000000,"               \
        "\"api_version\":\"2023-08-18\",\"api_url\":\"https://api.example.com/graphql\"," HEADERS(           \
                token) ","                                                                                   \
                       "\"account\":{\"id\":\"QWNj\",\"name\":\"Acme "                                       \
                       "\\u00c4\\n\"},\"generation\":" generation ","                                        \
                       "\"warnings\":[\"the pinned version is about to "                                     \
                       "go\"],\"later\":{\"member\":[1,2,{}]}}"
#define REPLY(parameters) "{\"parameters\":" parameters "}"
#define MORE(parameters) "{\"parameters\":" parameters ",\"continues\":true}"
#define ERROR(name, parameters) "{\"error\":\"" name "\",\"parameters\":" parameters "}"

enum action {
        DONE,
        ACCEPT, /* a new connection takes the place of the last one, which stays open */
        READ, /* one message, which must contain the text */
        SEND, /* the text, and a NUL */
        SEND_PART, /* the text alone */
        CLOSE, /* the connection */
        END_SEEN, /* the client must have closed it */
};

struct step {
        enum action action;
        const char *text;
};

struct daemon {
        char directory[32], path[64];
        int listener, fd;
        const struct step *_Atomic step;
        pthread_t thread;
        struct purser *purser;
};

void start(struct daemon *daemon, const struct step *script);
/* Until every step before that one has come true. */
void wait_for_step(struct daemon *daemon, const struct step *step);
/* Every step must have come true. */
void finish(struct daemon *daemon);

/* What the kernel says to the next calls of connect(), ended by 0; NULL: what it really says. */
extern const int *connect_errors;
int reset_connect(void **state); /* a cmocka setup */
#define TEST(function) cmocka_unit_test_setup(function, reset_connect)
