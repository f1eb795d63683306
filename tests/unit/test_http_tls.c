// links: daemon/http/
// libs: libsystemd libsodium
/* Whom TLS trusts, against openssl's own server with certificates made for the occasion. */
#include "tests/beds/http_client.h"
#include "tests/beds/shell.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/purser-test-tls-XXXXXX";
static struct client client;
static struct exchange exchange;
static pid_t server_pid;
static char url[64], url_by_name[64];

/* -- certificates ----------------------------------------------------------------------------------------------------- */

/* Two authorities, `ca` and `other`, and certificates of `ca` for 127.0.0.1: `good`, and `old`, which has expired. */
static const char make_certificates[] =
        "exec 2>/dev/null; set -e; cd $ROOT\n"
        "for ca in ca other; do\n"
        "  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=$ca "
        "\\\n"
        "    -addext basicConstraints=critical,CA:TRUE -keyout $ca.key -out $ca.pem\n"
        "done\n"
        "echo subjectAltName=IP:127.0.0.1 > san\n"
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=purser-test -keyout "
        "good.key -out good.csr\n"
        "openssl x509 -req -in good.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out "
        "good.pem\n"
        "cp good.key old.key\n"
        "mkdir db; touch db/index; echo 01 > db/serial\n"
        "printf "
        "'[ca]\\ndefault_ca=d\\n[d]\\ndatabase=db/index\\nserial=db/"
        "serial\\nnew_certs_dir=db\\ndefault_md=sha256\\npolicy=p\\n"
        "[p]\\ncommonName=supplied\\n' > ca.cnf\n"
        "openssl ca -batch -config ca.cnf -in good.csr -cert ca.pem -keyfile ca.key -extfile san -out "
        "old.pem \\\n"
        "  -startdate 20200101000000Z -enddate 20200201000000Z\n";

static const char *file_in_root(const char *name)
{
        static char paths[4][128];
        static unsigned next;
        char *path = paths[next++ % 4];

        snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
        return path;
}

static int make_root(void **state)
{
        assert_non_null(mkdtemp(root));
        setenv("ROOT", root, 1);
        assert_int_equal(run_script(make_certificates), 0);
        return 0;
}

static int remove_root(void **state)
{
        return run_script("rm -r \"$ROOT\"");
}

/* -- the server ------------------------------------------------------------------------------------------------------- */

static void run_server(int out, const char *certificate, const char *protocol)
{
        char cert[64], key[64];

        snprintf(cert, sizeof(cert), "%s.pem", certificate);
        snprintf(key, sizeof(key), "%s.key", certificate);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (chdir(root) < 0 || dup2(out, STDOUT_FILENO) < 0 || !freopen("/dev/null", "w", stderr))
                _exit(1);
        /* Its input must not end, or it would. */
        execlp("openssl", "openssl", "s_server", "-www", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key,
               "-cipher", "ALL:@SECLEVEL=0", "-alpn", "h2,http/1.1", protocol, NULL);
        _exit(1);
}

/* It prints "ACCEPT 127.0.0.1:PORT" once it listens. */
static void read_port(int fd)
{
        char text[256] = "";
        size_t n = 0;
        unsigned port;

        const char *line;
        while (!(line = strstr(text, "ACCEPT ")) || !strchr(line, '\n')) {
                ssize_t more = read(fd, text + n, sizeof(text) - 1 - n);
                assert_true(more > 0);
                n += (size_t)more;
                text[n] = '\0';
        }
        assert_int_equal(sscanf(line, "ACCEPT 127.0.0.1:%u", &port), 1);
        snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
        snprintf(url_by_name, sizeof(url_by_name), "https://localhost:%u/", port);
}

static void serve(const char *certificate, const char *protocol)
{
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        server_pid = fork();
        assert_true(server_pid >= 0);
        if (server_pid == 0)
                run_server(ends[1], certificate, protocol);
        close(ends[1]);
        read_port(ends[0]);
        close(ends[0]);
}

static int set_up(void **state)
{
        client_start(&client);
        return 0;
}

static int tear_down(void **state)
{
        end(&exchange);
        client_stop(&client);
        if (server_pid > 0) {
                kill(server_pid, SIGKILL);
                waitpid(server_pid, NULL, 0);
                server_pid = 0;
        }
        return 0;
}

static void get_with_ca(const char *target, const char *ca_file)
{
        struct http_request *request = get(target);

        if (ca_file) {
                request->ca_file = strdup(file_in_root(ca_file));
                assert_non_null(request->ca_file);
        }
        run(&client, &exchange, request);
}

static void assert_answered(void)
{
        if (exchange.response.result != HTTP_ANSWERED)
                fail_msg("not answered: %s", exchange.response.problem);
        assert_int_equal(exchange.response.status, 200);
        assert_true(exchange.response.body.n > 0);
}

static void assert_not_sent(const char *word)
{
        if (exchange.response.result != HTTP_NOT_SENT || !strstr(exchange.response.problem, word))
                fail_msg("result %d without '%s': %s", (int)exchange.response.result, word,
                         exchange.response.problem);
}

/* -- tests ------------------------------------------------------------------------------------------------------------ */

static void test_a_certificate_of_the_private_ca_is_trusted(void **state)
{
        serve("good", "-tls1_3");
        get_with_ca(url, "ca.pem");
        assert_answered();
        assert_string_equal(exchange.response.content_type, "text/html");
}

static void test_http_1_1_is_spoken_with_a_server_that_prefers_2(void **state)
{
        /* Had that been chosen, this server would not understand a word. */
        serve("good", "-tls1_3");
        get_with_ca(url, "ca.pem");
        assert_answered();
}

static void test_tls_1_2_is_enough(void **state)
{
        serve("good", "-tls1_2");
        get_with_ca(url, "ca.pem");
        assert_answered();
}

static void test_tls_1_1_is_refused(void **state)
{
        serve("good", "-tls1_1");
        get_with_ca(url, "ca.pem");
        assert_not_sent("TLS handshake failed");
}

static void test_without_the_private_ca_its_certificates_are_not_trusted(void **state)
{
        serve("good", "-tls1_3");
        get_with_ca(url, NULL);
        assert_not_sent("certificate problem");
}

static void test_another_ca_is_not_trusted(void **state)
{
        serve("good", "-tls1_3");
        get_with_ca(url, "other.pem");
        assert_not_sent("certificate problem");
}

static void test_a_connection_that_one_ca_vouched_for_is_not_used_with_another(void **state)
{
        serve("good", "-tls1_3");
        get_with_ca(url, "ca.pem");
        assert_answered();
        end(&exchange);
        get_with_ca(url, "other.pem");
        assert_not_sent("certificate problem");
        end(&exchange);
        get_with_ca(url, NULL);
        assert_not_sent("certificate problem");
}

static void test_a_certificate_for_another_host_is_refused(void **state)
{
        serve("good", "-tls1_3");
        get_with_ca(url_by_name, "ca.pem");
        assert_not_sent("for another host");
        assert_null(strstr(exchange.response.problem, "purser-test"));
}

static void test_an_expired_certificate_is_refused_in_words(void **state)
{
        serve("old", "-tls1_3");
        get_with_ca(url, "ca.pem");
        assert_not_sent("expired");
}

static void test_a_ca_file_that_is_not_there_is_told(void **state)
{
        serve("good", "-tls1_3");
        get_with_ca(url, "none.pem");
        assert_not_sent("CA file");
        end(&exchange);
        get_with_ca(url, "san");
        assert_not_sent("CA file");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_certificate_of_the_private_ca_is_trusted),
                TEST(test_http_1_1_is_spoken_with_a_server_that_prefers_2),
                TEST(test_tls_1_2_is_enough),
                TEST(test_tls_1_1_is_refused),
                TEST(test_without_the_private_ca_its_certificates_are_not_trusted),
                TEST(test_another_ca_is_not_trusted),
                TEST(test_a_connection_that_one_ca_vouched_for_is_not_used_with_another),
                TEST(test_a_certificate_for_another_host_is_refused),
                TEST(test_an_expired_certificate_is_refused_in_words),
                TEST(test_a_ca_file_that_is_not_there_is_told),
        };

        if (http_join(NULL) != 0)
                return 1;
        return cmocka_run_group_tests(tests, make_root, remove_root);
}
