// links: client/loopback*.c client/page.c client/output.c common/clock.c common/duration.c common/fault.c common/secret.c
// libs: libmicrohttpd
#include "client/loopback.h"

#include "client/loopback_owner.h"
#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

/* ---- the redirect_uri ---- */

static void test_redirect_uris_of_this_machine_are_understood(void **state)
{
        static const struct {
                const char *uri, *host;
                int port;
                const char *authority, *path;
        } cases[] = {
                { "http://127.0.0.1:8723/callback", "127.0.0.1", 8723, "127.0.0.1:8723", "/callback" },
                { "http://[::1]:8723/a/b", "::1", 8723, "[::1]:8723", "/a/b" },
                { "http://localhost:65535/x?app=1", "localhost", 65535, "localhost:65535", "/x" },
                { "HTTP://LOCALHOST:1", "localhost", 1, "localhost:1", "/" },
                { "http://127.0.0.1", "127.0.0.1", 80, "127.0.0.1", "/" },
                { "http://127.0.0.1:80/", "127.0.0.1", 80, "127.0.0.1", "/" },
                { "http://localhost?x", "localhost", 80, "localhost", "/" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct loopback_uri uri;

                assert_int_equal(loopback_parse_uri(cases[i].uri, &uri, NULL), 0);
                assert_string_equal(uri.host, cases[i].host);
                assert_int_equal(uri.port, cases[i].port);
                assert_string_equal(uri.authority, cases[i].authority);
                assert_string_equal(uri.path, cases[i].path);
        }
}

static void test_redirect_uris_of_elsewhere_are_told(void **state)
{
        static const char *const uris[] = {
                "",
                "https://127.0.0.1:8723/callback",
                "https://app.example.com/callback",
                "http://app.example.com/callback",
                "http://127.0.0.1.example.com/callback",
                "http://localhost.example.com:80/",
                "http://localhostx/",
                "http://user@127.0.0.1:8723/",
                "http://127.0.0.1:8723@example.com/",
                "http://127.0.0.2:8723/",
                "http://0.0.0.0:8723/",
                "http://[::]:8723/",
                "http://[::1:8723/",
                "http://127.0.0.1:/",
                "http://127.0.0.1:0/",
                "http://127.0.0.1:65536/",
                "http://127.0.0.1:+80/",
                "http://127.0.0.1: 80/",
                "http://127.0.0.1:123456/",
                "http://127.0.0.1:80/a#b",
                "urn:ietf:wg:oauth:2.0:oob",
                "com.example.app:/callback",
        };

        for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
                struct diag diag = DIAG_INIT;
                struct loopback_uri uri;

                if (loopback_parse_uri(uris[i], &uri, &diag) != LOOPBACK_E_ELSEWHERE)
                        fail_msg("taken: %s", uris[i]);
                assert_true(strlen(diag.text) > 0);
        }
}

/* ---- requests ---- */

static struct loopback_uri parse(const char *text)
{
        struct loopback_uri uri;

        assert_int_equal(loopback_parse_uri(text, &uri, NULL), 0);
        return uri;
}

static void test_only_a_browser_that_comes_back_is_taken(void **state)
{
        static const struct {
                const char *method, *target, *host, *fetch_dest;
                unsigned status;
        } cases[] = {
                { "GET", "/callback?code=a&state=b", "127.0.0.1:8723", NULL, 0 },
                { "GET", "/callback?code=a&state=b", "127.0.0.1:8723", "document", 0 },
                { "GET", "/callback", "127.0.0.1:8723", NULL, 0 },
                { "GET", "/callback?", "127.0.0.1:8723", NULL, 0 },

                { "POST", "/callback?code=a", "127.0.0.1:8723", NULL, 405 },
                { "HEAD", "/callback?code=a", "127.0.0.1:8723", NULL, 405 },
                { "OPTIONS", "/callback", "127.0.0.1:8723", NULL, 405 },
                { "get", "/callback", "127.0.0.1:8723", NULL, 405 },

                { "GET", "/", "127.0.0.1:8723", NULL, 404 },
                { "GET", "/favicon.ico", "127.0.0.1:8723", NULL, 404 },
                { "GET", "/callback/", "127.0.0.1:8723", NULL, 404 },
                { "GET", "/callbacks?code=a", "127.0.0.1:8723", NULL, 404 },
                { "GET", "/call%62ack?code=a", "127.0.0.1:8723", NULL, 404 },
                { "GET", "//callback?code=a", "127.0.0.1:8723", NULL, 404 },
                { "GET", "http://127.0.0.1:8723/callback?code=a", "127.0.0.1:8723", NULL, 404 },
                { "GET", "", "127.0.0.1:8723", NULL, 404 },

                { "GET", "/callback?code=a", "evil.example:8723", NULL, 421 },
                { "GET", "/callback?code=a", "127.0.0.1:87230", NULL, 421 },
                { "GET", "/callback?code=a", "127.0.0.1", NULL, 421 },
                { "GET", "/callback?code=a", "localhost:8723", NULL, 421 },
                { "GET", "/callback?code=a", "", NULL, 421 },
                { "GET", "/callback?code=a", NULL, NULL, 421 },

                { "GET", "/callback?code=a", "127.0.0.1:8723", "image", 403 },
                { "GET", "/callback?code=a", "127.0.0.1:8723", "iframe", 403 },
                { "GET", "/callback?code=a", "127.0.0.1:8723", "empty", 403 },
                { "GET", "/callback?code=a", "127.0.0.1:8723", "", 403 },
        };
        struct loopback_uri uri = parse("http://127.0.0.1:8723/callback");

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct loopback_request request = { cases[i].method, cases[i].target, cases[i].host,
                                                    cases[i].fetch_dest };

                if (loopback_judge(&uri, &request) != cases[i].status)
                        fail_msg("%s %s of %s: %u", cases[i].method, cases[i].target,
                                 cases[i].host ? cases[i].host : "nobody", loopback_judge(&uri, &request));
        }
}

static unsigned judge(const char *target, const char *origin, bool by_stranger)
{
        struct loopback_uri uri = parse("http://127.0.0.1:8723/callback");
        struct loopback_request request = { "GET", target, "127.0.0.1:8723", NULL, origin, by_stranger };

        return loopback_judge(&uri, &request);
}

static void test_a_script_of_another_page_is_refused(void **state)
{
        assert_int_equal(judge("/callback?code=a&state=b", "https://evil.example", false), 403);
        assert_int_equal(judge("/callback", "http://127.0.0.1:8080", false), 403);
        assert_int_equal(judge("/callback?code=a&state=b", "null", false), 0);
}

static void test_another_user_of_the_machine_cannot_say_no(void **state)
{
        static const char *const bare[] = {
                "/callback",           "/callback?",           "/callback?error=access_denied",
                "/callback?xstate=1",  "/callback?code=a",     "/callback?state",
                "/callback?%73tate=a", "/callback?a=?state=b", "/callback?State=b"
        };

        for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
                assert_int_equal(judge(bare[i], NULL, true), 403);
                assert_int_equal(judge(bare[i], NULL, false), 0);
        }
        /* Whoever knows the state is the browser, whatever user it runs as. */
        assert_int_equal(judge("/callback?state=b", NULL, true), 0);
        assert_int_equal(judge("/callback?code=a&state=b", NULL, true), 0);
}

/* ---- whose connection it is ---- */

static struct sockaddr_in four(uint16_t port)
{
        return (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int find_owner(const char *table, uint16_t from_port, uid_t *ret)
{
        struct sockaddr_in from = four(from_port), to = four(8723);
        FILE *file = fmemopen((char *)table, strlen(table), "r");
        int r;

        assert_non_null(file);
        r = owner_find(file, (struct sockaddr *)&from, (struct sockaddr *)&to, ret);
        fclose(file);
        return r;
}

#define LINE(from, to, state, uid)                                                                           \
        "   0: " from " " to " " state " 00000000:00000000 00:00000000 00000000  " uid "  0 4711 1\n"

static void test_the_owner_is_read_from_the_kernels_table(void **state)
{
        static const char table[] =
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
                "inode\n" LINE("0100007F:2213", "00000000:0000", "0A", "0")
                        LINE("0100007F:2213", "0100007F:C000", "01", "7")
                                LINE("0100007F:C000", "0100007F:2213", "01", "1000")
                                        LINE("0100007F:C001", "0100007F:2213", "05", "0")
                                                LINE("0100007F:C002", "0100007F:2214", "01", "1002");
        uid_t uid = 77;

        if (htonl(1) == 1)
                skip();
        assert_int_equal(find_owner(table, 0xc000, &uid), 0);
        assert_int_equal(uid, 1000);
        assert_int_equal(find_owner(table, 0xc001, &uid), OWNER_E_NONE);
        assert_int_equal(find_owner(table, 0xc002, &uid), OWNER_E_NONE);
        assert_int_equal(find_owner("nonsense\n\n", 0xc000, &uid), OWNER_E_NONE);
}

static void test_our_own_connection_is_no_strangers(void **state)
{
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
        struct sockaddr_in from, to = four(0);
        socklen_t size = sizeof(to);

        assert_return_code(bind(listener, (struct sockaddr *)&to, size), errno);
        assert_return_code(getsockname(listener, (struct sockaddr *)&to, &size), errno);
        assert_return_code(listen(listener, 1), errno);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(connect(fd, (struct sockaddr *)&to, size), errno);
        assert_return_code(getsockname(fd, (struct sockaddr *)&from, &size), errno);
        assert_false(owner_is_stranger((struct sockaddr *)&from, (struct sockaddr *)&to));
        /* Nobody waits at its end any more. */
        close(fd);
        assert_true(owner_is_stranger((struct sockaddr *)&from, (struct sockaddr *)&to));
        close(listener);
}

static void test_the_host_may_be_written_as_browsers_do(void **state)
{
        struct loopback_uri name = parse("http://localhost:80/cb"), six = parse("http://[::1]:99/cb");

        assert_int_equal(loopback_judge(&name, &(struct loopback_request){ "GET", "/cb", "LocalHost", NULL }),
                         0);
        assert_int_equal(
                loopback_judge(&name, &(struct loopback_request){ "GET", "/cb", "localhost:80", NULL }), 0);
        assert_int_equal(
                loopback_judge(&name, &(struct loopback_request){ "GET", "/cb", "localhost:8", NULL }), 421);
        assert_int_equal(loopback_judge(&six, &(struct loopback_request){ "GET", "/cb", "[::1]:99", NULL }),
                         0);
        assert_int_equal(loopback_judge(&six, &(struct loopback_request){ "GET", "/cb", "::1:99", NULL }),
                         421);
}

/* ---- the listener ---- */

/* A browser in a thread: sends each request on a connection of its own, and keeps what came back last. */
struct browser {
        int port;
        const char *requests[4];
        char answers[4][8192];
        pthread_t thread;
};

static int connect_to(int port)
{
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons((uint16_t)port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return -1;
}

static void *browse(void *data)
{
        struct browser *browser = data;

        for (size_t i = 0; i < 4 && browser->requests[i]; i++) {
                int fd = connect_to(browser->port);
                size_t n = 0;
                ssize_t r;

                if (fd < 0 || send(fd, browser->requests[i], strlen(browser->requests[i]), MSG_NOSIGNAL) < 0)
                        return NULL;
                while ((r = read(fd, browser->answers[i] + n, sizeof(browser->answers[i]) - 1 - n)) > 0)
                        n += (size_t)r;
                close(fd);
        }
        return NULL;
}

static int free_port(void)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
        assert_return_code(getsockname(fd, (struct sockaddr *)&address, &size), errno);
        close(fd);
        return ntohs(address.sin_port);
}

static uint64_t in_ten_seconds(void)
{
        return usec_add(clock_boot_usec(&clock_system), 10 * USEC_PER_SEC);
}

#define REQUEST(line) line " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"

static struct loopback *listen_on(struct loopback_uri *uri)
{
        struct loopback *loopback;
        char text[64];

        snprintf(text, sizeof(text), "http://127.0.0.1:%d/callback", free_port());
        *uri = parse(text);
        assert_int_equal(loopback_new(&loopback, uri, NULL), 0);
        return loopback;
}

static void test_the_redirect_is_handed_over_and_answered(void **state)
{
        struct loopback_uri uri;
        struct loopback *loopback = listen_on(&uri);
        struct browser browser = { .port = uri.port };
        char junk[128], wrong[128], right[128], url[128];
        struct secret *redirect;

        snprintf(junk, sizeof(junk), REQUEST("GET /favicon.ico"), uri.port);
        snprintf(wrong, sizeof(wrong), REQUEST("GET /callback?state=wrong"), uri.port);
        snprintf(right, sizeof(right), REQUEST("GET /callback?code=a%%2Fb&state=right"), uri.port);
        browser.requests[0] = junk;
        browser.requests[1] = wrong;
        browser.requests[2] = right;
        assert_int_equal(pthread_create(&browser.thread, NULL, browse, &browser), 0);

        assert_int_equal(loopback_wait(loopback, -1, in_ten_seconds(), &redirect), 0);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/callback?state=wrong", uri.port);
        assert_string_equal(secret_expose(redirect), url);
        secret_free(redirect);
        loopback_answer(loopback, 400, "<p>not this one");

        assert_int_equal(loopback_wait(loopback, -1, in_ten_seconds(), &redirect), 0);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/callback?code=a%%2Fb&state=right", uri.port);
        assert_string_equal(secret_expose(redirect), url);
        secret_free(redirect);
        loopback_answer(loopback, 200, "<p>well done");
        loopback_free(loopback);

        pthread_join(browser.thread, NULL);
        assert_int_equal(strncmp(browser.answers[0], "HTTP/1.1 404 ", 13), 0);
        assert_int_equal(strncmp(browser.answers[1], "HTTP/1.1 400 ", 13), 0);
        assert_non_null(strstr(browser.answers[1], "<p>not this one"));
        assert_int_equal(strncmp(browser.answers[2], "HTTP/1.1 200 ", 13), 0);
        assert_non_null(strstr(browser.answers[2], "<p>well done"));
        for (size_t i = 0; i < 3; i++) {
                assert_non_null(strstr(browser.answers[i], "Cache-Control: no-store\r\n"));
                assert_non_null(strstr(browser.answers[i], "Content-Security-Policy: default-src 'none'; "));
                assert_non_null(strstr(browser.answers[i], "Referrer-Policy: no-referrer\r\n"));
                assert_non_null(strstr(browser.answers[i], "Content-Type: text/html; charset=utf-8\r\n"));
        }
        assert_int_equal(connect_to(uri.port), -1);
}

static void test_short_addresses_lead_on_and_one_of_them_once(void **state)
{
        static const char there[] = "https://id.example.com/authorize?client_id=a&state=b";
        struct loopback_uri uri;
        struct loopback *loopback = listen_on(&uri);
        struct browser browser = { .port = uri.port };
        const char *once, *ever, *third;
        char requests[4][128], end[128];
        struct secret *redirect;
        int n;

        assert_int_equal(loopback_lead(loopback, there, true, &once), 0);
        assert_int_equal(loopback_lead(loopback, there, false, &ever), 0);
        assert_true(loopback_lead(loopback, there, false, &third) < 0);
        assert_string_not_equal(once, ever);
        n = snprintf(end, sizeof(end), "http://127.0.0.1:%d/", uri.port);
        assert_int_equal(strncmp(once, end, (size_t)n), 0);
        assert_int_equal(strlen(once), n + 8);

        for (size_t i = 0; i < 3; i++) {
                snprintf(requests[i], sizeof(requests[i]), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                         (i < 2 ? once : ever) + n - 1, uri.port);
                browser.requests[i] = requests[i];
        }
        snprintf(requests[3], sizeof(requests[3]), REQUEST("GET /callback"), uri.port);
        browser.requests[3] = requests[3];
        assert_int_equal(pthread_create(&browser.thread, NULL, browse, &browser), 0);
        assert_int_equal(loopback_wait(loopback, -1, in_ten_seconds(), &redirect), 0);
        secret_free(redirect);
        loopback_answer(loopback, 200, "<p>well done");
        pthread_join(browser.thread, NULL);
        loopback_free(loopback);

        snprintf(end, sizeof(end), "Location: %s\r\n", there);
        assert_int_equal(strncmp(browser.answers[0], "HTTP/1.1 302 ", 13), 0);
        assert_non_null(strstr(browser.answers[0], end));
        assert_non_null(strstr(browser.answers[0], "Referrer-Policy: no-referrer\r\n"));
        assert_int_equal(strncmp(browser.answers[1], "HTTP/1.1 410 ", 13), 0);
        assert_null(strstr(browser.answers[1], "id.example.com"));
        assert_int_equal(strncmp(browser.answers[2], "HTTP/1.1 302 ", 13), 0);
        assert_int_equal(strncmp(browser.answers[3], "HTTP/1.1 200 ", 13), 0);
}

static void test_a_post_is_refused_and_told_what_is_allowed(void **state)
{
        struct loopback_uri uri;
        struct loopback *loopback = listen_on(&uri);
        struct browser browser = { .port = uri.port };
        char post[192], right[128];
        struct secret *redirect;

        snprintf(post, sizeof(post),
                 "POST /callback?code=x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 6\r\n\r\ncode=x",
                 uri.port);
        snprintf(right, sizeof(right), REQUEST("GET /callback"), uri.port);
        browser.requests[0] = post;
        browser.requests[1] = right;
        assert_int_equal(pthread_create(&browser.thread, NULL, browse, &browser), 0);
        assert_int_equal(loopback_wait(loopback, -1, in_ten_seconds(), &redirect), 0);
        secret_free(redirect);
        loopback_answer(loopback, 403, "no");
        pthread_join(browser.thread, NULL);
        loopback_free(loopback);

        assert_int_equal(strncmp(browser.answers[0], "HTTP/1.1 405 ", 13), 0);
        assert_non_null(strstr(browser.answers[0], "Allow: GET\r\n"));
        assert_int_equal(strncmp(browser.answers[1], "HTTP/1.1 403 ", 13), 0);
}

static void test_a_browser_that_waits_is_let_go_when_the_login_ends(void **state)
{
        struct loopback_uri uri;
        struct loopback *loopback = listen_on(&uri);
        struct browser browser = { .port = uri.port };
        char right[128];
        struct secret *redirect;

        snprintf(right, sizeof(right), REQUEST("GET /callback?code=x"), uri.port);
        browser.requests[0] = right;
        assert_int_equal(pthread_create(&browser.thread, NULL, browse, &browser), 0);
        assert_int_equal(loopback_wait(loopback, -1, in_ten_seconds(), &redirect), 0);
        secret_free(redirect);
        loopback_free(loopback);
        pthread_join(browser.thread, NULL);
        assert_null(strstr(browser.answers[0], "200"));
}

static void test_waiting_ends_in_time_and_when_interrupted(void **state)
{
        struct loopback_uri uri;
        struct loopback *loopback = listen_on(&uri);
        struct secret *redirect;
        int fds[2];

        assert_int_equal(loopback_wait(loopback, -1, clock_boot_usec(&clock_system), &redirect),
                         LOOPBACK_E_TIMEOUT);
        assert_return_code(pipe(fds), errno);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(loopback_wait(loopback, fds[0], in_ten_seconds(), &redirect),
                         LOOPBACK_E_INTERRUPTED);
        close(fds[0]);
        close(fds[1]);
        loopback_free(loopback);
}

static void test_a_port_in_use_is_told_with_its_number(void **state)
{
        struct loopback_uri uri;
        struct loopback *first = listen_on(&uri), *second = NULL;
        struct diag diag = DIAG_INIT;
        char number[16];

        snprintf(number, sizeof(number), "port %d ", uri.port);
        assert_int_equal(loopback_new(&second, &uri, &diag), LOOPBACK_E_PORT);
        assert_non_null(strstr(diag.text, number));
        assert_null(second);
        loopback_free(first);
        assert_int_equal(loopback_new(&second, &uri, &diag), 0);
        loopback_free(second);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_redirect_uris_of_this_machine_are_understood),
                cmocka_unit_test(test_redirect_uris_of_elsewhere_are_told),
                cmocka_unit_test(test_only_a_browser_that_comes_back_is_taken),
                cmocka_unit_test(test_a_script_of_another_page_is_refused),
                cmocka_unit_test(test_another_user_of_the_machine_cannot_say_no),
                cmocka_unit_test(test_the_owner_is_read_from_the_kernels_table),
                cmocka_unit_test(test_our_own_connection_is_no_strangers),
                cmocka_unit_test(test_the_host_may_be_written_as_browsers_do),
                cmocka_unit_test(test_the_redirect_is_handed_over_and_answered),
                cmocka_unit_test(test_short_addresses_lead_on_and_one_of_them_once),
                cmocka_unit_test(test_a_post_is_refused_and_told_what_is_allowed),
                cmocka_unit_test(test_a_browser_that_waits_is_let_go_when_the_login_ends),
                cmocka_unit_test(test_waiting_ends_in_time_and_when_interrupted),
                cmocka_unit_test(test_a_port_in_use_is_told_with_its_number),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
