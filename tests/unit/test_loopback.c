// links: client/loopback*.c client/page.c client/output.c common/
// libs: libmicrohttpd
#include "tests/beds/loopback_uri.h"

#include "client/loopback_owner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
