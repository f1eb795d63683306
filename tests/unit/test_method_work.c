// links: daemon/method/
// libs: libsodium jansson yaml-0.1 libsystemd
/* Whose turn it is, of those who wait for long answers. */
#include "daemon/serve/server_internal.h"
#include "tests/beds/method_bed.h"

#include <stdio.h>
#include <unistd.h>

#define LIST "{\"method\":\"io.purser.Tokens.ListCredentials\"}"
#define NOTHING "{\"parameters\":{\"credentials\":[]}}\n"
#define STATUS_OF_ONE "{\"method\":\"io.purser.Admin.Status\",\"parameters\":{\"most\":1}}"
#define ONE "\"credentials\":[{\"name\":\"acme\""

/* So many that a list takes two steps of somebody who may use none of them. */
static void make_credentials(void)
{
        for (int i = 0; i < 1500; i++) {
                struct credential *credential;
                char name[32];

                snprintf(name, sizeof(name), "c%05d", i);
                assert_int_equal(vault_require(bed.core.context.vault, name, &credential), 0);
        }
}

/* Its answer is not made before take_turns(). */
static int begin(uid_t uid, const char *message)
{
        int other = serve_connect(&bed);

        bed.holds_turns = true;
        serve_pump(&bed);
        LIST_FIRST(&bed.server->connections)->call.peer->uid = uid;
        serve_say(&bed, other, message);
        assert_string_equal(serve_hear(&bed, other), "");
        return other;
}

static void take_turns(int n)
{
        for (int i = 0; i < n; i++)
                (void)service_turn(bed.service);
}

static void test_nobody_waits_behind_all_that_another_user_wants(void **state)
{
        int others[3], ours[2];

        (void)state;
        make_credentials();
        for (size_t i = 0; i < 3; i++)
                others[i] = begin(65533, LIST);
        for (size_t i = 0; i < 2; i++)
                ours[i] = begin(getuid(), STATUS_OF_ONE);

        /* The first one's first step was taken at once. */
        take_turns(2);
        assert_string_equal(serve_hear(&bed, others[0]), NOTHING);
        assert_has(serve_hear(&bed, ours[0]), ONE);
        assert_string_equal(serve_hear(&bed, others[1]), "");
        take_turns(3);
        assert_string_equal(serve_hear(&bed, others[1]), NOTHING);
        assert_has(serve_hear(&bed, ours[1]), ONE);
        assert_string_equal(serve_hear(&bed, others[2]), "");
        take_turns(2);
        assert_string_equal(serve_hear(&bed, others[2]), NOTHING);
        assert_true(service_is_idle(bed.service));
}

static void test_who_asks_again_and_again_is_not_always_first(void **state)
{
        int others[2], ours;

        (void)state;
        make_credentials();
        for (size_t i = 0; i < 2; i++)
                others[i] = begin(65533, LIST);
        ours = begin(getuid(), STATUS_OF_ONE);
        take_turns(2);
        assert_has(serve_hear(&bed, ours), ONE);
        serve_say(&bed, ours, STATUS_OF_ONE);
        assert_string_equal(serve_hear(&bed, ours), "");

        take_turns(2);
        assert_string_equal(serve_hear(&bed, others[1]), NOTHING);
        assert_string_equal(serve_hear(&bed, ours), "");
        take_turns(1);
        assert_has(serve_hear(&bed, ours), ONE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                METHOD_TEST(test_nobody_waits_behind_all_that_another_user_wants),
                METHOD_TEST(test_who_asks_again_and_again_is_not_always_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
