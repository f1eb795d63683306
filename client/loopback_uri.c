/* What a listener on this machine can serve, and which requests it takes. Pure. */
#include "client/loopback.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the redirect_uri ---- */

static int elsewhere(struct diag *diag, const char *why)
{
        diag_set(diag, "%s", why);
        return LOOPBACK_E_ELSEWHERE;
}

static int take_port(const char *digits, size_t n, uint16_t *ret)
{
        char text[6], *end;
        long port;

        if (n == 0 || n >= sizeof(text))
                return -EINVAL;
        memcpy(text, digits, n);
        text[n] = '\0';
        port = strtol(text, &end, 10);
        if (*end || text[0] < '0' || text[0] > '9' || port < 1 || port > UINT16_MAX)
                return -EINVAL;
        *ret = (uint16_t)port;
        return 0;
}

/* The name of a host as it stands in the URI, and as it is bound. */
static const struct {
        const char *written, *host;
} hosts[] = { { "127.0.0.1", "127.0.0.1" }, { "[::1]", "::1" }, { "localhost", "localhost" } };

static int take_authority(const char *authority, size_t n, struct loopback_uri *uri)
{
        for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
                size_t length = strlen(hosts[i].written);

                if (n < length || strncasecmp(authority, hosts[i].written, length) != 0)
                        continue;
                uri->port = 80;
                if (n > length && (authority[length] != ':' ||
                                   take_port(authority + length + 1, n - length - 1, &uri->port) < 0))
                        continue;
                strcpy(uri->host, hosts[i].host);
                snprintf(uri->authority, sizeof(uri->authority), uri->port == 80 ? "%s" : "%s:%u",
                         hosts[i].written, uri->port);
                return 0;
        }
        return -EINVAL;
}

int loopback_parse_uri(const char *redirect_uri, struct loopback_uri *ret, struct diag *diag)
{
        static const char scheme[] = "http://";
        struct loopback_uri uri = { 0 };
        const char *authority, *path;
        size_t n;

        if (strncasecmp(redirect_uri, scheme, strlen(scheme)) != 0)
                return elsewhere(diag, "it does not begin with http://");
        authority = redirect_uri + strlen(scheme);
        path = authority + strcspn(authority, "/?#");
        if (take_authority(authority, (size_t)(path - authority), &uri) < 0)
                return elsewhere(diag, "its host is not 127.0.0.1, [::1] or localhost");

        n = strcspn(path, "?#");
        if (n >= sizeof(uri.path) || strchr(path, '#'))
                return elsewhere(diag, "its path is too long, or has a fragment");
        memcpy(uri.path, path, n);
        if (n == 0)
                strcpy(uri.path, "/");
        *ret = uri;
        return 0;
}

/* ---- requests ---- */

/* Another Host is a page of elsewhere whose name was bent to this address (DNS rebinding). */
static bool is_our_host(const struct loopback_uri *uri, const char *host)
{
        size_t n = strlen(uri->authority);

        return host && strncasecmp(host, uri->authority, n) == 0 &&
               (host[n] == '\0' || (uri->port == 80 && strcmp(host + n, ":80") == 0));
}

static bool has_state(const char *target)
{
        const char *query = strchr(target, '?');

        return query && (strncmp(query, "?state=", 7) == 0 || strstr(query, "&state="));
}

unsigned loopback_judge(const struct loopback_uri *uri, const struct loopback_request *request)
{
        size_t n = strlen(uri->path);

        if (!is_our_host(uri, request->host))
                return MHD_HTTP_MISDIRECTED_REQUEST;
        if (strncmp(request->target, uri->path, n) != 0 ||
            (request->target[n] != '\0' && request->target[n] != '?'))
                return MHD_HTTP_NOT_FOUND;
        if (strcmp(request->method, "GET") != 0)
                return MHD_HTTP_METHOD_NOT_ALLOWED;
        /*
         * A redirect is something that a person's browser goes to,
         * no image or script on somebody's page (Fetch Metadata).
         */
        if (request->fetch_dest && strcmp(request->fetch_dest, "document") != 0)
                return MHD_HTTP_FORBIDDEN;
        /* A browser without that names the page of elsewhere whose script asks; "null" may be a form on the way. */
        if (request->origin && strcmp(request->origin, "null") != 0)
                return MHD_HTTP_FORBIDDEN;
        /* With nothing of this login's in it, it would be taken for a "no", which other users cannot say. */
        if (request->by_stranger && !has_state(request->target))
                return MHD_HTTP_FORBIDDEN;
        return 0;
}
