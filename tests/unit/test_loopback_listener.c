// links: client/loopback*.c client/page.c client/output.c common/
// libs: libmicrohttpd
/* The listener, as a browser in a thread meets it. */
#include "tests/beds/loopback_uri.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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
                cmocka_unit_test(test_the_redirect_is_handed_over_and_answered),
                cmocka_unit_test(test_short_addresses_lead_on_and_one_of_them_once),
                cmocka_unit_test(test_a_post_is_refused_and_told_what_is_allowed),
                cmocka_unit_test(test_a_browser_that_waits_is_let_go_when_the_login_ends),
                cmocka_unit_test(test_waiting_ends_in_time_and_when_interrupted),
                cmocka_unit_test(test_a_port_in_use_is_told_with_its_number),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
