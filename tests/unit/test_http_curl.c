// links: daemon/http/
// libs: libsystemd libsodium
// ldflags: -pthread -Wl,--wrap=dlopen,--wrap=dlsym
/* libcurl that is not there, is too old, or comes later than the first request. */
#include "tests/beds/http_client.h"
#include "tests/beds/http_server.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char *library_shown; /* in place of libcurl; NULL: libcurl itself */
static const char *symbol_hidden = "";
static unsigned n_opened;

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__real_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name);

void *__wrap_dlopen(const char *name, int flags)
{
        assert_string_equal(name, "libcurl.so.4");
        n_opened++;
        return __real_dlopen(library_shown ? library_shown : name, flags);
}

void *__wrap_dlsym(void *library, const char *name)
{
        return __real_dlsym(library, strcmp(name, symbol_hidden) == 0 ? "curl_of_another_age" : name);
}

static void serve(struct server *server, int fd, unsigned number)
{
        if (server_read_request(server, fd))
                server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

static void assert_unsent(struct client *client, const char *words)
{
        struct exchange exchange;

        run(client, &exchange, post("http://127.0.0.1:1/token", "grant_type=refresh_token"));
        assert_int_equal(exchange.response.result, HTTP_NOT_SENT);
        assert_non_null(strstr(exchange.response.problem, "libcurl cannot be used"));
        assert_non_null(strstr(exchange.response.problem, words));
        end(&exchange);
}

/* In this order, since a library that was joined stays. */
static void test_requests_wait_for_the_library_that_they_need(void **state)
{
        struct diag diag = DIAG_INIT;
        struct http_transfer *transfer = NULL;
        struct exchange exchange;
        struct server server;
        struct client client;

        client_start(&client);
        assert_int_equal(n_opened, 0);

        library_shown = "libcurl-that-nobody-has.so.4";
        assert_unsent(&client, "libcurl-that-nobody-has.so.4");
        assert_int_equal(http_join(&diag), HTTP_E_NO_LIBRARY);
        assert_non_null(strstr(diag.text, "install the package libcurl4"));

        /* One that its caller gives up before it was told of its end. */
        begin(&client, &exchange, get("http://127.0.0.1:1/"), 1);
        transfer = http_transfer_free(exchange.transfer);
        assert_null(transfer);
        turn(&client);
        assert_int_equal(exchange.calls, 0);

        library_shown = NULL;
        symbol_hidden = "curl_easy_header";
        assert_unsent(&client, "curl_of_another_age");
        symbol_hidden = "";

        server_start(&server, serve);
        run(&client, &exchange, post(server.url, "grant_type=refresh_token"));
        assert_int_equal(exchange.response.result, HTTP_ANSWERED);
        assert_int_equal(exchange.response.status, 200);
        end(&exchange);

        n_opened = 0;
        assert_int_equal(http_join(&diag), 0);
        run(&client, &exchange, get(server.url));
        assert_int_equal(exchange.response.result, HTTP_ANSWERED);
        end(&exchange);
        assert_int_equal(n_opened, 0);
        client_stop(&client);
        server_stop(&server);
}

static void test_keys_of_connections_are_logged_nowhere(void **state)
{
        http_prepare();
        assert_null(getenv("SSLKEYLOGFILE"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests_wait_for_the_library_that_they_need),
                cmocka_unit_test(test_keys_of_connections_are_logged_nowhere),
        };

        setenv("SSLKEYLOGFILE", "/nonexistent/keys", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
