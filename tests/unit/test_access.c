// links: daemon/serve/
#include "daemon/serve/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

enum { OWN_UID = 500, STRANGER = 1000 };

static const struct access_self system_daemon = { .uid = OWN_UID };
static const struct access_self user_daemon = { .uid = OWN_UID, .in_user_manager = true };

static gid_t groups[] = { 27, 44 };

static struct allow_rule rules[] = {
        { .kind = ALLOW_USER, .id = 700 },
        { .kind = ALLOW_GROUP, .id = 44 },
        { .kind = ALLOW_UNIT, .name = (char *)"sync.service" },
};

static const struct allow_list by_default = { 0 };
static const struct allow_list nobody = { .given = true };
static const struct allow_list by_user = { .given = true, .rules = &rules[0], .n = 1 };
static const struct allow_list by_group = { .given = true, .rules = &rules[1], .n = 1 };
static const struct allow_list by_unit = { .given = true, .rules = &rules[2], .n = 1 };
static const struct allow_list by_any = { .given = true, .rules = rules, .n = 3 };

static void test_rules_decide_as_the_table_says(void **state)
{
        static const struct {
                const char *what;
                const struct allow_list *allow;
                struct peer peer;
                const struct access_self *self;
                enum access expected;
        } cases[] = {
                { "root by default", &by_default, { .uid = 0 }, &system_daemon, ACCESS_GRANTED },
                { "the own user by default",
                  &by_default,
                  { .uid = OWN_UID },
                  &system_daemon,
                  ACCESS_GRANTED },
                { "a stranger by default", &by_default, { .uid = STRANGER }, &system_daemon, ACCESS_DENIED },
                { "root without a list", NULL, { .uid = 0 }, &system_daemon, ACCESS_GRANTED },
                { "a stranger without a list", NULL, { .uid = STRANGER }, &system_daemon, ACCESS_DENIED },
                { "root, whom the list does not name",
                  &by_user,
                  { .uid = 0 },
                  &system_daemon,
                  ACCESS_DENIED },
                { "the own user, whom the list does not name",
                  &by_user,
                  { .uid = OWN_UID },
                  &system_daemon,
                  ACCESS_DENIED },
                { "anybody of an empty list", &nobody, { .uid = 0 }, &system_daemon, ACCESS_DENIED },
                { "a user", &by_user, { .uid = 700 }, &system_daemon, ACCESS_GRANTED },
                { "a group of the same number as the user",
                  &by_user,
                  { .uid = STRANGER, .gid = 700 },
                  &system_daemon,
                  ACCESS_DENIED },
                { "the first group",
                  &by_group,
                  { .uid = STRANGER, .gid = 44 },
                  &system_daemon,
                  ACCESS_GRANTED },
                { "a further group",
                  &by_group,
                  { .uid = STRANGER, .gid = 1, .groups = groups, .n_groups = 2 },
                  &system_daemon,
                  ACCESS_GRANTED },
                { "groups that are not read yet",
                  &by_group,
                  { .uid = STRANGER, .gid = 1, .groups_unread = true },
                  &system_daemon,
                  ACCESS_GROUPS_NEEDED },
                { "the first group, before the others are read",
                  &by_group,
                  { .uid = STRANGER, .gid = 44, .groups_unread = true },
                  &system_daemon,
                  ACCESS_GRANTED },
                { "groups are read before a unit is looked for",
                  &by_any,
                  { .uid = STRANGER, .groups_unread = true },
                  &system_daemon,
                  ACCESS_GROUPS_NEEDED },
                { "no such group",
                  &by_group,
                  { .uid = 44, .gid = 1, .groups = groups, .n_groups = 1 },
                  &system_daemon,
                  ACCESS_DENIED },
                { "a unit that is not known yet",
                  &by_unit,
                  { .uid = 0 },
                  &system_daemon,
                  ACCESS_UNIT_NEEDED },
                { "the unit",
                  &by_unit,
                  { .unit_known = true, .unit = (char *)"sync.service" },
                  &system_daemon,
                  ACCESS_GRANTED },
                { "another unit",
                  &by_unit,
                  { .unit_known = true, .unit = (char *)"sync2.service" },
                  &system_daemon,
                  ACCESS_DENIED },
                { "no unit", &by_unit, { .unit_known = true }, &system_daemon, ACCESS_DENIED },
                { "a user's unit that took the name",
                  &by_unit,
                  { .uid = STRANGER,
                    .unit_known = true,
                    .unit = (char *)"user@1000.service",
                    .user_unit = (char *)"sync.service" },
                  &system_daemon,
                  ACCESS_DENIED },
                { "the own user's unit, asked of a system daemon",
                  &by_unit,
                  { .uid = OWN_UID, .unit_known = true, .user_unit = (char *)"sync.service" },
                  &system_daemon,
                  ACCESS_DENIED },
                { "the own user's unit, asked of a user's daemon",
                  &by_unit,
                  { .uid = OWN_UID, .unit_known = true, .user_unit = (char *)"sync.service" },
                  &user_daemon,
                  ACCESS_GRANTED },
                { "another user's unit, asked of a user's daemon",
                  &by_unit,
                  { .uid = STRANGER, .unit_known = true, .user_unit = (char *)"sync.service" },
                  &user_daemon,
                  ACCESS_DENIED },
                { "a rule that needs no unit goes first",
                  &by_any,
                  { .uid = 700 },
                  &system_daemon,
                  ACCESS_GRANTED },
                { "only the unit can still decide",
                  &by_any,
                  { .uid = STRANGER },
                  &system_daemon,
                  ACCESS_UNIT_NEEDED },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (access_check(cases[i].allow, &cases[i].peer, cases[i].self) != cases[i].expected)
                        fail_msg("%s", cases[i].what);
}

static void test_a_credentials_own_list_replaces_its_clients(void **state)
{
        struct client client = { .allow = by_group };
        struct credential_config silent = { 0 };
        struct credential_config own = { .allow = by_user };

        (void)state;
        assert_ptr_equal(access_list(&own, &client), &own.allow);
        assert_ptr_equal(access_list(&silent, &client), &client.allow);
        assert_ptr_equal(access_list(NULL, &client), &client.allow);
        assert_null(access_list(NULL, NULL));
        assert_null(access_list(&silent, NULL));
        assert_ptr_equal(access_list(&own, NULL), &own.allow);
}

static void test_answers_turn_on_units_where_any_list_names_one(void **state)
{
        struct client client = { .allow = by_group }, *clients[] = { &client };
        struct credential_config own = { 0 }, *credentials[] = { &own };
        struct config config = { .admins = by_user,
                                 .clients = clients,
                                 .n_clients = 1,
                                 .credentials = credentials,
                                 .n_credentials = 1 };

        (void)state;
        assert_false(access_turns_on_units(&config));
        client.allow = by_any;
        assert_true(access_turns_on_units(&config));
        client.allow = nobody;
        own.allow = by_unit;
        assert_true(access_turns_on_units(&config));
        own.allow = by_default;
        assert_false(access_turns_on_units(&config));
        config.admins = by_unit;
        assert_true(access_turns_on_units(&config));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rules_decide_as_the_table_says),
                cmocka_unit_test(test_a_credentials_own_list_replaces_its_clients),
                cmocka_unit_test(test_answers_turn_on_units_where_any_list_names_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
