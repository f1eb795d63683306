// links: daemon/config/
// libs: yaml-0.1 libsodium
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath,--wrap=asprintf
/*
 * What becomes of a configuration when memory runs out in its midst. Run under AddressSanitizer it proves
 * that nothing leaks.
 */
#include "daemon/config/config.h"
#include "tests/beds/out_of_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
        char directory[32], file[64], providers[64];
};

static void write_file(const char *path, const char *text)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

typedef int load_function(struct config **ret, const char *file, const char *const *provider_dirs,
                          size_t n_provider_dirs, struct problems *problems);

/* Each allocation fails once, the first to the last: a fault every time, and all is well in the end. */
static void expect_faults_by(load_function *function, const struct place *place, int outcome, size_t at_least)
{
        const char *const directories[] = { place->providers };
        size_t n = 0;
        bool came;
        int r;

        do {
                struct problems problems = PROBLEMS_INIT;
                struct config *config = NULL;

                out_of_memory_at(n++);
                r = function(&config, place->file, directories, 1, &problems);
                came = out_of_memory_end();
                if (came) {
                        assert_int_equal(r, -ENOMEM);
                        assert_null(config);
                }
                config_free(config);
                problems_done(&problems);
        } while (came);
        assert_int_equal(r, outcome);
        assert_true(n > at_least);
}

static void expect_faults(const struct place *place, int outcome, size_t at_least)
{
        expect_faults_by(config_load, place, outcome, at_least);
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
        "admins: [{group: root}, {unit: a.service}]\n"                                                       \
        "on_event: [{command: [/bin/true, a], events: [recovered, saving-fails]}, {command: /bin/true}]\n"

/* The provider that uses the most of what can be said about one, rather than all that are shipped: each of them costs a run for each allocation. */
static void make_place(struct place *place)
{
        char jobber[PATH_MAX], copy[PATH_MAX];

        assert_non_null(realpath("etc/providers/jobber.yaml", jobber));
        assert_non_null(mkdtemp(place->directory));
        snprintf(place->file, sizeof(place->file), "%s/purser.yaml", place->directory);
        snprintf(place->providers, sizeof(place->providers), "%s/providers", place->directory);
        assert_int_equal(mkdir(place->providers, 0700), 0);
        snprintf(copy, sizeof(copy), "%s/jobber.yaml", place->providers);
        assert_int_equal(symlink(jobber, copy), 0);
}

static void remove_place(const struct place *place)
{
        char copy[PATH_MAX];

        snprintf(copy, sizeof(copy), "%s/jobber.yaml", place->providers);
        assert_int_equal(unlink(copy), 0);
        assert_int_equal(rmdir(place->providers), 0);
        assert_int_equal(unlink(place->file), 0);
        assert_int_equal(rmdir(place->directory), 0);
}

static void test_a_configuration_without_memory_fails_cleanly(void **state)
{
        struct place place = { .directory = "/tmp/test_config.XXXXXX" };

        make_place(&place);
        write_file(place.file, CONFIG);
        expect_faults(&place, 0, 300);
        write_file(place.file,
                   CONFIG "  - {user: no-such-user}\nrefresh: {before: 0%, befroe: 1}\nclients: {}\n");
        expect_faults(&place, CONFIG_E_MISTAKES, 300);
        write_file(
                place.file,
                "providers: {p: {extends: q}}\nclients: {a: {provider: s}}\ncredentials: {c: {client: d}}\n");
        expect_faults(&place, CONFIG_E_MISTAKES, 100);
        write_file(place.file, CONFIG);
        expect_faults_by(config_load_used, &place, 0, 300);
        remove_place(&place);
}

static void test_without_memory_for_the_rest_both_stay_as_they_were(void **state)
{
        struct place place = { .directory = "/tmp/test_config.XXXXXX" };
        const char *const directories[] = { place.providers };
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;
        _cleanup_(config_freep) struct config *config = NULL, *whole = NULL;

        make_place(&place);
        write_file(place.file, "clients: {}\n");
        assert_int_equal(config_load_used(&config, place.file, directories, 1, &problems), 0);
        assert_int_equal(config_load(&whole, place.file, directories, 1, &problems), 0);
        assert_true(config->is_partial && config->n_providers == 0 && whole->n_providers == 1);
        out_of_memory_at(0);
        assert_int_equal(config_add_rest(config, whole), -ENOMEM);
        assert_true(out_of_memory_end());
        assert_true(config->is_partial && config->n_providers == 0 && whole->providers[0]);
        assert_int_equal(config_add_rest(config, whole), 0);
        assert_true(!config->is_partial && config->n_providers == 1 && !whole->providers[0]);
        remove_place(&place);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_configuration_without_memory_fails_cleanly),
                cmocka_unit_test(test_without_memory_for_the_rest_both_stay_as_they_were),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
