#include "tests/beds/fake_idp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct family {
        char name;
        int number; /* of the newest refresh token */
        bool revoked;
};

static struct {
        struct family families[3];
        bool takes_old, code_is_spent;
} idp;

void fake_idp_start(bool takes_old)
{
        memset(&idp, 0, sizeof(idp));
        for (size_t i = 0; i < 3; i++)
                idp.families[i].name = "abi"[i];
        idp.takes_old = takes_old;
}

static struct family *find_family(char name)
{
        for (size_t i = 0; i < 3; i++)
                if (idp.families[i].name == name)
                        return &idp.families[i];
        fail_msg("a token of no grant");
        return NULL;
}

static void answer_tokens(struct http *http, struct family *family)
{
        char body[256];

        family->number++;
        snprintf(body, sizeof(body),
                 "{\"access_token\":\"access-%c-%d\",\"refresh_token\":\"%c-%d\",\"expires_in\":3600}",
                 family->name, family->number, family->name, family->number);
        fake_http_answer(http, 0, 200, NULL, body);
}

static void refuse(struct http *http)
{
        fake_http_answer(http, 0, 400, NULL, "{\"error\":\"invalid_grant\"}");
}

static void answer_refresh(struct http *http, const char *token)
{
        struct family *family = find_family(token[0]);
        int number = atoi(token + 2);

        if (!family->revoked && (number == family->number || (idp.takes_old && number == family->number - 1)))
                answer_tokens(http, family);
        else
                refuse(http);
}

static void answer_code(struct http *http)
{
        if (idp.code_is_spent) {
                refuse(http);
                return;
        }
        idp.code_is_spent = true;
        answer_tokens(http, find_family('b'));
}

/* The value of a parameter of the form; NULL: it has none. */
static const char *value_of(const struct http_request *request, const char *name)
{
        const char *at = strstr(fake_http_expose_body(request), name);

        return at ? at + strlen(name) : NULL;
}

void fake_idp_answer(struct core *core)
{
        struct http *http = core->context.http;
        const struct http_request *request = fake_http_request(http, 0);
        const char *refresh_token = value_of(request, "refresh_token=");

        if (strstr(request->url, "graphql")) {
                fake_http_answer(http, 0, 200, NULL,
                                 "{\"data\":{\"account\":{\"id\":\"one\",\"name\":\"One Ltd\"}}}");
        } else if (strstr(request->url, "/par")) {
                fake_http_answer(http, 0, 201, NULL, "{\"request_uri\":\"urn:r-1\",\"expires_in\":90}");
        } else if (strstr(request->url, "/device")) {
                fake_http_answer(http, 0, 200, NULL,
                                 "{\"device_code\":\"d-1\",\"user_code\":\"AB-CD\",\"verification_uri\":"
                                 "\"https://idp.test/"
                                 "go\",\"expires_in\":600,\"interval\":5}");
        } else if (strstr(request->url, "revoke")) {
                find_family(value_of(request, "token=")[0])->revoked = true;
                fake_http_answer(http, 0, 200, NULL, "");
        } else if (refresh_token) {
                answer_refresh(http, refresh_token);
        } else {
                answer_code(http);
        }
}

int fake_idp_newest(char grant)
{
        return find_family(grant)->number;
}

bool fake_idp_is_revoked(char grant)
{
        return find_family(grant)->revoked;
}

bool fake_idp_takes_old(void)
{
        return idp.takes_old;
}
