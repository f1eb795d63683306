/*
 * Which URLs may be configured. Decides on the text alone, as strictly as RFC 3986 allows: no name is looked
 * up.
 */
#include "daemon/config/provider.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

struct url {
        const char *scheme, *host, *rest; /* rest: path, query and fragment */
        size_t n_scheme, n_host; /* an IPv6 host keeps its brackets */
};

/* RFC 3986 section 2: anything else, a backslash above all, is read differently by different programs. */
static bool has_url_characters(const char *url)
{
        static const char others[] = "-._~:/?#[]@!$&'()*+,;=";

        for (const char *p = url; *p; p++) {
                if (*p == '%' && !(isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])))
                        return false;
                if (*p != '%' && !((unsigned char)*p < 0x80 && isalnum((unsigned char)*p)) &&
                    !strchr(others, *p))
                        return false;
        }
        return true;
}

/* RFC 3986 section 3.1. 0 when there is none. */
static size_t scheme_length(const char *url)
{
        size_t n = 0;

        if (!isalpha((unsigned char)url[0]))
                return 0;
        while (isalnum((unsigned char)url[n]) || (url[n] && strchr("+-.", url[n])))
                n++;
        return url[n] == ':' ? n : 0;
}

static bool port_is_valid(const char *port, size_t n)
{
        unsigned value = 0;

        if (n == 0 || n > 5)
                return false;
        for (size_t i = 0; i < n; i++) {
                if (!isdigit((unsigned char)port[i]))
                        return false;
                value = value * 10 + (unsigned)(port[i] - '0');
        }
        return value > 0 && value <= 65535;
}

static size_t host_length(const char *authority, size_t n)
{
        const char *end = memchr(authority, authority[0] == '[' ? ']' : ':', n);

        if (authority[0] == '[')
                return end ? (size_t)(end - authority) + 1 : 0;
        return end ? (size_t)(end - authority) : n;
}

static bool host_is_valid(const char *host, size_t n)
{
        char address[INET6_ADDRSTRLEN];
        struct in6_addr in6;

        if (n == 0 || n > 255)
                return false;
        if (host[0] != '[') {
                for (size_t i = 0; i < n; i++)
                        if (!isalnum((unsigned char)host[i]) && !strchr("-._", host[i]))
                                return false;
                return host[0] != '.' && host[0] != '-';
        }
        if (n < 4 || n - 2 >= sizeof(address))
                return false;
        memcpy(address, host + 1, n - 2);
        address[n - 2] = '\0';
        return inet_pton(AF_INET6, address, &in6) == 1;
}

/* scheme "://" host [":" port] rest. A user in front of the host is refused: it is a secret or a trick. */
static bool url_split(const char *url, struct url *ret)
{
        struct url split = { .scheme = url, .n_scheme = scheme_length(url) };
        size_t n;

        if (split.n_scheme == 0 || !has_url_characters(url) || strncmp(url + split.n_scheme, "://", 3) != 0)
                return false;
        split.host = url + split.n_scheme + 3;
        n = strcspn(split.host, "/?#");
        split.rest = split.host + n;
        split.n_host = host_length(split.host, n);
        if (memchr(split.host, '@', n) || !host_is_valid(split.host, split.n_host))
                return false;
        if (split.n_host < n && (split.host[split.n_host] != ':' ||
                                 !port_is_valid(split.host + split.n_host + 1, n - split.n_host - 1)))
                return false;
        *ret = split;
        return true;
}

static bool text_is(const char *text, size_t n, const char *word)
{
        return n == strlen(word) && strncasecmp(text, word, n) == 0;
}

/* RFC 6761 section 6.3 for the name. Short forms such as 127.1 are no addresses here. */
static bool host_is_loopback(const char *host, size_t n)
{
        char text[INET_ADDRSTRLEN];
        struct in_addr in;

        if (text_is(host, n, "localhost") || text_is(host, n, "[::1]"))
                return true;
        if (n >= sizeof(text))
                return false;
        memcpy(text, host, n);
        text[n] = '\0';
        return inet_pton(AF_INET, text, &in) == 1 && ntohl(in.s_addr) >> 24 == 127;
}

bool url_is_loopback(const char *url)
{
        struct url split;

        return url_split(url, &split) && host_is_loopback(split.host, split.n_host);
}

bool url_is_acceptable(const char *url)
{
        struct url split;

        if (!url_split(url, &split) || strchr(split.rest, '#'))
                return false;
        if (text_is(split.scheme, split.n_scheme, "https"))
                return true;
        return text_is(split.scheme, split.n_scheme, "http") && host_is_loopback(split.host, split.n_host);
}

bool url_is_redirect(const char *url)
{
        size_t n = scheme_length(url);

        if (n == 0 || !has_url_characters(url) || strchr(url, '#') || url[n + 1] == '\0')
                return false;
        if (text_is(url, n, "http") || text_is(url, n, "https"))
                return url_is_acceptable(url);
        return !text_is(url, n, "javascript") && !text_is(url, n, "data") && !text_is(url, n, "file");
}
