// links: daemon/config.c daemon/config_files.c daemon/config_providers.c daemon/config_clients.c
// links: daemon/config_entries.c daemon/config_allow.c daemon/config_secret.c daemon/provider.c
// links: daemon/provider_make.c daemon/provider_rules.c daemon/provider_url.c daemon/yaml_read.c
// links: daemon/yaml_doc.c daemon/problems.c common/duration.c common/fault.c common/secret.c
// links: common/secret_arena.c common/secret_pages.c
// libs: yaml-0.1 libsodium
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=asprintf
/*
 * What becomes of a configuration when memory runs out in its midst. Run under AddressSanitizer it proves
 * that nothing leaks.
 */
#include "daemon/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static size_t n_allocations, fail_at = SIZE_MAX;

static bool fails(void)
{
        return n_allocations++ == fail_at;
}

/* The linker puts these in the place of what our own objects call; libyaml keeps the real ones. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
        return fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
        return fails() ? NULL : __real_calloc(n, size);
}

void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
        return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
        return fails() ? NULL : __real_strdup(text);
}

char *__real_strndup(const char *text, size_t n);
char *__wrap_strndup(const char *text, size_t n);
char *__wrap_strndup(const char *text, size_t n)
{
        return fails() ? NULL : __real_strndup(text, n);
}

int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **ret, const char *format, ...)
{
        va_list ap;
        int n;

        if (fails())
                return -1;
        va_start(ap, format);
        n = vasprintf(ret, format, ap);
        va_end(ap);
        return n;
}

static void write_file(const char *path, const char *text)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

/* Each allocation fails once, the first to the last: a fault every time, and all is well in the end. */
static void expect_faults(const char *file, int outcome, size_t at_least)
{
        static const char *const directories[] = { "etc/providers" };
        int r = -ENOMEM;

        for (fail_at = 0; r == -ENOMEM; fail_at++) {
                struct problems problems = PROBLEMS_INIT;
                struct config *config = NULL;

                n_allocations = 0;
                r = config_load(&config, file, directories, 1, &problems);
                if (r < 0)
                        assert_null(config);
                config_free(config);
                problems_done(&problems);
        }
        fail_at = SIZE_MAX;
        assert_int_equal(r, outcome);
        assert_true(n_allocations > at_least);
}

#define CONFIG                                                                                               \
        "providers:\n"                                                                                       \
        "  mine: {extends: jobber, issuer: https://a.example, authorization_parameters: {a: b}, webhooks: "  \
        "{prefix: x}}\n"                                                                                     \
        "clients:\n"                                                                                         \
        "  app: {provider: mine, client_id: x, client_secret: {file: /a}, scopes: [a, b], allow: [{user: "   \
        "root}]}\n"                                                                                          \
        "credentials:\n"                                                                                     \
        "  acme: {client: app, description: y, api_version: z}\n"                                            \
        "admins: [{group: root}, {unit: a.service}]\n"

static void test_a_configuration_without_memory_fails_cleanly(void **state)
{
        char directory[] = "/tmp/test_config.XXXXXX", file[64];

        assert_non_null(mkdtemp(directory));
        snprintf(file, sizeof(file), "%s/purser.yaml", directory);
        write_file(file, CONFIG);
        expect_faults(file, 0, 300);
        write_file(file, CONFIG "  - {user: no-such-user}\nrefresh: {before: 0%, befroe: 1}\nclients: {}\n");
        expect_faults(file, CONFIG_E_MISTAKES, 300);
        write_file(
                file,
                "providers: {p: {extends: q}}\nclients: {a: {provider: s}}\ncredentials: {c: {client: d}}\n");
        expect_faults(file, CONFIG_E_MISTAKES, 100);
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_configuration_without_memory_fails_cleanly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
