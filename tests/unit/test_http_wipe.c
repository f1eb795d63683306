// links: daemon/http/
// libs: libsystemd libsodium
/* What a request carried is nowhere in memory once it is over: not with curl, not with OpenSSL, not with us. */
#include "tests/beds/http_client.h"
#include "tests/beds/shell.h"
#include "tests/beds/memory_scan.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Disguised: "planted-body-token-012345", and the like. */
enum { N_NEEDLE = 25 };
static const char body_needle[] = "eyt{apq8wzql8az~p{8%$'&! ";
static const char header_needle[] = "eyt{apq8}ptqpg8az~{8%$'&!";
static const char answer_needle[] = "eyt{apq8t{fbpg8az~{8%$'&!";

static pid_t server_pid;
static struct client client;
static char url[64];

#define assert_gone(needle) assert_gone_named((needle), #needle)
static void assert_gone_named(const char *needle, const char *name)
{
        char where[512] = "";

        if (memory_holds(needle, N_NEEDLE, where, sizeof(where)))
                fail_msg("%s is still there: %s", name, where);
}

static int stop_server(void **state)
{
        kill(server_pid, SIGKILL);
        waitpid(server_pid, NULL, 0);
        return 0;
}

/* A secret of prefix, needle and suffix, which passes through no other memory than the stack, and is wiped there. */
static struct secret *plant(const char *prefix, const char *needle, const char *suffix)
{
        struct secret *secret = NULL;
        char plain[128], text[N_NEEDLE];
        int n;

        memcpy(text, needle, N_NEEDLE);
        memory_disguise(text, N_NEEDLE);
        n = snprintf(plain, sizeof(plain), "%s%.*s%s", prefix, N_NEEDLE, text, suffix);
        assert_int_equal(secret_new(&secret, plain, (size_t)n), 0);
        explicit_bzero(plain, sizeof(plain));
        explicit_bzero(text, sizeof(text));
        return secret;
}

static void plant_header(struct http_request *request)
{
        struct secret *value = plant("Bearer ", header_needle, "");

        assert_int_equal(
                http_request_add_header(request, "Authorization", secret_expose(value), secret_size(value)),
                0);
        secret_free(value);
}

static void assert_body_holds_needle(const struct exchange *exchange)
{
        char text[N_NEEDLE];

        assert_int_equal(exchange->response.result, HTTP_ANSWERED);
        memcpy(text, answer_needle, N_NEEDLE);
        memory_disguise(text, N_NEEDLE);
        assert_non_null(memmem(exchange->response.body.data, exchange->response.body.n, text, N_NEEDLE));
        explicit_bzero(text, sizeof(text));
}

static void test_the_scanner_finds_what_is_there(void **state)
{
        char where[512];
        char *heap = malloc(64);

        assert_non_null(heap);
        memcpy(heap, body_needle, N_NEEDLE);
        memory_disguise(heap, N_NEEDLE);
        assert_true(memory_holds(body_needle, N_NEEDLE, where, sizeof(where)));
        explicit_bzero(heap, 64);
        free(heap);
        assert_gone(body_needle);
}

static void answer_in_child(int listen_fd)
{
        char request[4096], answer[256], text[N_NEEDLE];
        int fd;

        memcpy(text, answer_needle, N_NEEDLE);
        memory_disguise(text, N_NEEDLE);
        snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n{\"t\":\"%.*s\"}\n",
                 N_NEEDLE, text);
        while ((fd = accept(listen_fd, NULL, NULL)) >= 0) {
                while (read(fd, request, sizeof(request)) > 0)
                        if (write(fd, answer, strlen(answer)) < 0)
                                break;
                close(fd);
        }
        _exit(1);
}

static int serve_plainly(void **state)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(fd, 8), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
        server_pid = fork();
        assert_true(server_pid >= 0);
        if (server_pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                answer_in_child(fd);
        }
        close(fd);
        return 0;
}

static void test_nothing_of_a_request_or_its_answer_stays(void **state)
{
        struct http_request *request = NULL;
        struct exchange exchange;

        client_start(&client);
        assert_int_equal(http_request_new(&request, true, url), 0);
        request->body = plant("refresh_token=", body_needle, "");
        plant_header(request);
        run(&client, &exchange, request);
        assert_body_holds_needle(&exchange);
        end(&exchange);
        /* The kept connection is still there, and holds nothing. */
        assert_gone(body_needle);
        assert_gone(header_needle);
        assert_gone(answer_needle);
        client_stop(&client);
        assert_gone(body_needle);
        assert_gone(header_needle);
        assert_gone(answer_needle);
}

static void test_nothing_of_a_cancelled_request_stays(void **state)
{
        struct http_request *request = NULL;
        struct exchange exchange;

        client_start(&client);
        assert_int_equal(http_request_new(&request, true, url), 0);
        request->body = plant("refresh_token=", body_needle, "");
        plant_header(request);
        begin(&client, &exchange, request, 10 * USEC_PER_SEC);
        turn(&client);
        end(&exchange);
        client_stop(&client);
        assert_gone(body_needle);
        assert_gone(header_needle);
        assert_gone(answer_needle);
}

/* -- the same through TLS --------------------------------------------------------------------------------------------- */

static char root[] = "/tmp/purser-test-wipe-XXXXXX";

static const char prepare[] = "exec 2>/dev/null; cd $ROOT && openssl req -x509 -newkey ec -pkeyopt "
                              "ec_paramgen_curve:prime256v1 -nodes "
                              "-days 2 -subj /CN=ca -addext basicConstraints=critical,CA:TRUE "
                              "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out ca.pem";

static void write_answer(void)
{
        char path[64], text[N_NEEDLE];

        snprintf(path, sizeof(path), "%s/answer.txt", root);
        memcpy(text, answer_needle, N_NEEDLE);
        memory_disguise(text, N_NEEDLE);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, text, N_NEEDLE), N_NEEDLE);
        close(fd);
        explicit_bzero(text, sizeof(text));
}

static int serve_with_tls(void **state)
{
        char text[1024] = "";
        const char *line;
        unsigned port;
        size_t n = 0;
        int ends[2];

        assert_non_null(mkdtemp(root));
        setenv("ROOT", root, 1);
        assert_int_equal(run_script(prepare), 0);
        write_answer();
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        server_pid = fork();
        assert_true(server_pid >= 0);
        if (server_pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (chdir(root) == 0 && dup2(ends[1], STDOUT_FILENO) >= 0 &&
                    freopen("/dev/null", "w", stderr))
                        execlp("openssl", "openssl", "s_server", "-WWW", "-accept", "127.0.0.1:0", "-cert",
                               "ca.pem", "-key", "key.pem", NULL);
                _exit(1);
        }
        close(ends[1]);
        while (!(line = strstr(text, "ACCEPT ")) || !strchr(line, '\n')) {
                ssize_t more = read(ends[0], text + n, sizeof(text) - 1 - n);
                assert_true(more > 0);
                n += (size_t)more;
        }
        close(ends[0]);
        assert_int_equal(sscanf(line, "ACCEPT 127.0.0.1:%u", &port), 1);
        snprintf(url, sizeof(url), "https://127.0.0.1:%u/answer.txt", port);
        return 0;
}

static int stop_tls(void **state)
{
        stop_server(state);
        return run_script("rm -r \"$ROOT\"");
}

static void test_nothing_stays_behind_tls_either(void **state)
{
        struct http_request *request = NULL;
        struct exchange exchange;
        char path[64];

        client_start(&client);
        assert_int_equal(http_request_new(&request, false, url), 0);
        snprintf(path, sizeof(path), "%s/ca.pem", root);
        request->ca_file = strdup(path);
        plant_header(request);
        run(&client, &exchange, request);
        assert_body_holds_needle(&exchange);
        end(&exchange);
        client_stop(&client);
        assert_gone(header_needle);
        assert_gone(answer_needle);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_scanner_finds_what_is_there),
                cmocka_unit_test_setup_teardown(test_nothing_of_a_request_or_its_answer_stays, serve_plainly,
                                                stop_server),
                cmocka_unit_test_setup_teardown(test_nothing_of_a_cancelled_request_stays, serve_plainly,
                                                stop_server),
                cmocka_unit_test_setup_teardown(test_nothing_stays_behind_tls_either, serve_with_tls,
                                                stop_tls),
        };

        if (http_join(NULL) != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
