// links: daemon/config/
// libs: yaml-0.1 libsodium
/* Configurations for those who wait: of the provider files, those that a client needs. */
#include "tests/beds/config_place.h"

#include "common/clock.h"

#include <string.h>

#define CLIENT                                                                                               \
        "{client_id: x, client_secret: {store: true}, redirect_uri: \"http://127.0.0.1:1/\", provider: "

static void write_providers(struct place *place)
{
        write_file(place, "vendor/base.yaml", "{" ENDPOINTS ", max_replays: 1}\n");
        write_file(place, "vendor/used.yaml", "{extends: base, default_token_lifetime: 7s}\n");
        write_file(place, "vendor/both.yaml", "{" ENDPOINTS ", max_replays: 2}\n");
        write_file(place, "local/both.yaml", "{extends: both, code_challenge_method: off}\n");
        write_file(place, "vendor/unused.yaml", "{" ENDPOINTS ", max_replays: 3}\n");
        write_file(place, "local/another.yaml", "{" ENDPOINTS "}\n");
        write_file(place, "purser.yaml",
                   "providers: {own: {extends: both}}\n"
                   "clients: {a: " CLIENT "used}, b: " CLIENT "own}}\n");
}

static struct config *load_partial(struct place *place)
{
        struct problems problems = PROBLEMS_INIT;
        int r;
        struct config *config = load_used(place, &problems, &r);

        assert_int_equal(r, 0);
        assert_int_equal(problems_count(&problems), 0);
        problems_done(&problems);
        return config;
}

static bool was_read(const struct config *config, const char *end)
{
        for (size_t i = 0; i < config->n_providers; i++)
                if (strcmp(config->providers[i]->name, end) == 0)
                        return true;
        return false;
}

static void test_what_clients_need_is_read_and_nothing_else(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL;
        const struct client *a, *b;

        write_providers(*state);
        config = load_partial(*state);
        assert_true(config->is_partial);
        a = config_find_client(config, "a");
        b = config_find_client(config, "b");
        assert_string_equal(a->provider->name, "used");
        assert_int_equal(a->provider->max_replays, 1);
        assert_int_equal(a->provider->default_token_lifetime_usec, 7 * USEC_PER_SEC);
        assert_string_equal(b->provider->name, "own");
        assert_int_equal(b->provider->max_replays, 2);
        assert_false(b->provider->pkce);
        assert_false(was_read(config, "unused") || was_read(config, "another"));
}

static void test_the_rest_is_added_and_makes_it_the_whole(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL, *whole = NULL, *again = NULL;
        const struct provider *before;

        write_providers(*state);
        config = load_partial(*state);
        before = config_find_client(config, "a")->provider;
        whole = load_well(*state);
        again = load_well(*state);
        assert_false(whole->is_partial);
        assert_int_equal(config_add_rest(config, whole), 0);

        assert_false(config->is_partial);
        assert_int_equal(config->n_providers, again->n_providers);
        for (size_t i = 0; i < again->n_providers; i++)
                assert_string_equal(config->providers[i]->name, again->providers[i]->name);
        assert_int_equal(config_find_provider(config, "unused")->max_replays, 3);
        assert_ptr_equal(config_find_provider(config, "used"), before);
        assert_ptr_equal(config_find_client(config, "a")->provider, before);
}

static void test_where_clients_need_all_of_it_nothing_is_left(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL;

        write_file(*state, "vendor/p.yaml", "{" ENDPOINTS "}\n");
        write_file(*state, "purser.yaml", "clients: {a: " CLIENT "p}}\n");
        config = load_partial(*state);
        assert_false(config->is_partial);
        assert_int_equal(config->n_providers, 1);
}

/* The mistakes of a configuration that has some. */
static void load_badly(struct place *place, struct problems *problems)
{
        int r;

        assert_null(load_used(place, problems, &r));
        assert_int_equal(r, CONFIG_E_MISTAKES);
}

static void test_with_one_mistake_every_mistake_is_told(void **state)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;

        write_providers(*state);
        write_file(*state, "vendor/unused.yaml", "{" ENDPOINTS ", max_replay: 3}\n");
        write_file(*state, "purser.yaml", "clients: {a: " CLIENT "used}}\nrefresh: {paralel: 3}\n");
        load_badly(*state, &problems);
        assert_int_equal(problems_count(&problems), 2);
        assert_non_null(strstr(problems.lines[0], "paralel"));
        assert_non_null(strstr(problems.lines[1], "unused.yaml"));
}

static void test_a_mistake_where_no_client_looks_is_left_to_the_rest(void **state)
{
        _cleanup_(config_freep) struct config *config = NULL;

        write_providers(*state);
        write_file(*state, "vendor/unused.yaml", "{" ENDPOINTS ", max_replay: 3}\n");
        config = load_partial(*state);
        assert_true(config->is_partial);
}

static void test_a_file_that_is_used_and_broken_is_told_once(void **state)
{
        _cleanup_(problems_done) struct problems problems = PROBLEMS_INIT;

        write_providers(*state);
        write_file(*state, "vendor/base.yaml", "{" ENDPOINTS "\n");
        load_badly(*state, &problems);
        assert_int_equal(problems_count(&problems), 1);
        assert_non_null(strstr(problems.lines[0], "base.yaml"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_what_clients_need_is_read_and_nothing_else),
                TEST(test_the_rest_is_added_and_makes_it_the_whole),
                TEST(test_where_clients_need_all_of_it_nothing_is_left),
                TEST(test_with_one_mistake_every_mistake_is_told),
                TEST(test_a_mistake_where_no_client_looks_is_left_to_the_rest),
                TEST(test_a_file_that_is_used_and_broken_is_told_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
