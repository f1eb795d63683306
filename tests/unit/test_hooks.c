// links: daemon/report/
// libs: libsodium jansson yaml-0.1 libsystemd
/* What is told to commands, and when; in place of daemon/report/hooks_run.c, which runs them, what was told is kept. */
#include "tests/beds/core.h"

#include "daemon/report/hooks_internal.h"
#include "daemon/vault/trouble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct core core;
static struct hooks *hooks;
static json_t *told; /* in order */

int hook_new(struct hook **ret, struct hooks *owner, const struct hook_config *config)
{
        *ret = calloc(1, sizeof(**ret));
        assert_non_null(*ret);
        (*ret)->hooks = owner;
        return 0;
}

void hook_free(struct hook *hook)
{
        free(hook);
}

bool hook_is_of(const struct hook *hook, const struct hook_config *config)
{
        return true;
}

bool hooks_want(const struct hooks *owner, enum hook_event event, enum hook_event after)
{
        const struct hook *hook = LIST_FIRST(&owner->list);

        return (hook->events & (1u << event)) && (after == N_HOOK_EVENTS || (hook->events & (1u << after)));
}

void hooks_tell(struct hooks *owner, enum hook_event event, enum hook_event after, const char *text)
{
        json_t *value = json_loads(text, 0, NULL);

        assert_non_null(value);
        assert_int_equal(text[strlen(text) - 1], '\n');
        assert_null(memchr(text, '\n', strlen(text) - 1));
        assert_string_equal(json_string_value(json_object_get(value, "event")), hook_event_name(event));
        json_array_append_new(told, value);
}

static void on_change(struct credential *credential, bool gone, void *userdata)
{
        if (hooks && !credential->is_pending && !gone)
                hooks_on_change(hooks, credential);
}

static void on_store_change(void *userdata)
{
        hooks_on_store_change(hooks);
}

#define ON_EVENT "on_event: [{command: /bin/true}]\n"

static int setup_with(const char *more)
{
        core_setup(&core, more);
        core.context.on_change = on_change;
        core.context.on_store_change = on_store_change;
        told = json_array();
        return hooks_new(&hooks, &core.context, NULL);
}

static int setup(void **state)
{
        return setup_with(ON_EVENT);
}

static int teardown(void **state)
{
        hooks = hooks_free(hooks);
        json_decref(told);
        core_teardown(&core);
        return 0;
}

static const char *member(size_t i, const char *name)
{
        const char *text = json_string_value(json_object_get(json_array_get(told, i), name));

        return text ? text : "";
}

static void change(struct credential *credential)
{
        context_changed(&core.context, credential, false);
}

static void refuse(struct credential *credential)
{
        credential->refusal = REFUSAL_CUT;
        free(credential->refusal_reason);
        credential->refusal_reason = strdup("The account disconnected the app.");
        change(credential);
}

static void accept(struct credential *credential)
{
        credential->refusal = REFUSAL_NONE;
        change(credential);
}

static struct credential *give(const char *name)
{
        return core_give_grant(&core, name, "refresh-1", "access-1", 86400);
}

static void test_a_trouble_and_its_end_are_told_once_each(void **state)
{
        struct credential *acme = give("acme");

        core_advance(&core, 2);
        assert_int_equal(json_array_size(told), 0);
        refuse(acme);
        change(acme);
        core_advance(&core, 2);
        change(acme);
        core_advance(&core, 60);
        assert_int_equal(json_array_size(told), 1);
        assert_string_equal(member(0, "event"), "authorization-required");
        assert_string_equal(member(0, "credential"), "acme");
        assert_string_equal(member(0, "message"), "The account disconnected the app.");
        assert_string_equal(member(0, "next_step"), "purser login acme");

        accept(acme);
        core_advance(&core, 60);
        assert_int_equal(json_array_size(told), 2);
        assert_string_equal(member(1, "event"), "recovered");
        assert_string_equal(member(1, "after"), "authorization-required");
}

static void test_a_trouble_that_is_over_before_it_was_told_is_never_told(void **state)
{
        struct credential *acme = give("acme");

        refuse(acme);
        accept(acme);
        core_advance(&core, 60);
        assert_int_equal(json_array_size(told), 0);
}

static void test_what_was_there_at_the_start_is_no_news_but_its_end_is(void **state)
{
        struct credential *acme = give("acme");

        hooks = hooks_free(hooks);
        refuse(acme);
        assert_int_equal(hooks_new(&hooks, &core.context, NULL), 0);
        change(acme);
        core_advance(&core, 60);
        assert_int_equal(json_array_size(told), 0);
        accept(acme);
        core_advance(&core, 60);
        assert_string_equal(member(0, "event"), "recovered");
}

static void test_many_of_one_client_are_one_event(void **state)
{
        char name[16];

        for (int i = 0; i < 80; i++) {
                snprintf(name, sizeof(name), "c%02d", i);
                refuse(give(name));
        }
        core_advance(&core, 60);
        assert_int_equal(json_array_size(told), 1);
        assert_int_equal(json_array_size(json_object_get(json_array_get(told, 0), "also")), ALSO_MAX);
        assert_int_equal(json_integer_value(json_object_get(json_array_get(told, 0), "also_more")),
                         79 - ALSO_MAX);
        assert_non_null(strstr(member(0, "text"), "The same of 79 others"));
}

/* Back and forth without end: events are rationed, and the last one told is what is so in the end. */
static void test_a_credential_that_flaps_is_rationed_and_told_as_it_is_in_the_end(void **state)
{
        struct credential *acme = give("acme");
        size_t n;

        for (int i = 0; i < 100; i++) {
                refuse(acme);
                core_advance(&core, 2);
                accept(acme);
                core_advance(&core, 2);
        }
        n = json_array_size(told);
        assert_in_range(n, HOOKS_BURST, HOOKS_BURST + 400 / HOOKS_EVERY_SEC + 1);
        refuse(acme);
        for (int i = 0; i < 12; i++)
                core_advance(&core, 10);
        n = json_array_size(told);
        assert_string_equal(member(n - 1, "event"), "authorization-required");
        for (size_t i = 1; i < n; i++)
                assert_string_not_equal(member(i, "event"), member(i - 1, "event"));
}

static void test_a_disk_that_refuses_is_told_and_its_end_when_all_is_saved(void **state)
{
        struct credential *acme = give("acme");

        vault_save_facts(core.context.vault, acme);
        fake_store_complete_all(core.store, -ENOSPC);
        core_advance(&core, 2);
        assert_string_equal(member(0, "event"), "saving-fails");
        assert_non_null(strstr(member(0, "message"), "the fake disk refuses"));
        assert_string_equal(member(0, "credential"), "");
        for (int i = 0; i < 3; i++) {
                core_advance(&core, 61);
                fake_store_complete_all(core.store, -ENOSPC);
        }
        assert_int_equal(json_array_size(told), 1);
        core_advance(&core, 61);
        core_save(&core);
        core_advance(&core, 2);
        assert_int_equal(json_array_size(told), 2);
        assert_string_equal(member(1, "after"), "saving-fails");
}

static int setup_some(void **state)
{
        return setup_with("on_event: [{command: /bin/true, events: [saving-fails, recovered]}]\n");
}

static void test_what_nobody_wants_to_know_is_not_told_nor_that_it_is_over(void **state)
{
        struct credential *acme = give("acme");

        refuse(acme);
        core_advance(&core, 60);
        accept(acme);
        core_advance(&core, 60);
        assert_int_equal(json_array_size(told), 0);
}

/* ---- what is a trouble, and when it is over ---- */

static struct trouble_change look(const struct credential *credential, unsigned before)
{
        return trouble_look(credential, core.clock.boot_usec, before);
}

#define BIT(event) (1u << (event))

static void test_a_login_that_waits_for_its_test_ends_no_trouble(void **state)
{
        struct credential *acme = give("acme"), *pending = give("other");

        refuse(acme);
        acme->pending = pending;
        assert_int_equal(credential_state(acme, core.clock.boot_usec), CREDENTIAL_PENDING);
        assert_int_equal(look(acme, BIT(HOOK_AUTHORIZATION_REQUIRED)).now, BIT(HOOK_AUTHORIZATION_REQUIRED));
        assert_int_equal(look(acme, BIT(HOOK_AUTHORIZATION_REQUIRED)).recovered, 0);
        assert_int_equal(look(acme, 0).begun, 0);
        acme->pending = NULL;
}

static void test_a_credential_without_a_token_is_a_trouble_after_three_failures(void **state)
{
        struct credential *acme = give("acme");

        core.clock.boot_usec += 90000 * USEC_PER_SEC;
        acme->failures = 2;
        assert_int_equal(look(acme, 0).begun, 0);
        acme->failures = 3;
        assert_int_equal(look(acme, 0).begun, BIT(HOOK_UNAVAILABLE));
        acme->failures = 0;
        assert_int_equal(look(acme, BIT(HOOK_UNAVAILABLE)).recovered, 0); /* no token yet */
        acme->grant.received_boot_usec = (int64_t)core.clock.boot_usec;
        assert_int_equal(look(acme, BIT(HOOK_UNAVAILABLE)).recovered, BIT(HOOK_UNAVAILABLE));
}

static void test_worse_trouble_takes_the_place_of_lesser(void **state)
{
        struct credential *acme = give("acme");
        struct trouble_change seen;

        refuse(acme);
        seen = look(acme, BIT(HOOK_UNAVAILABLE));
        assert_int_equal(seen.begun, BIT(HOOK_AUTHORIZATION_REQUIRED));
        assert_int_equal(seen.now, BIT(HOOK_AUTHORIZATION_REQUIRED));
        assert_int_equal(seen.recovered, 0);
        accept(acme);
        acme->test.version_state = VERSION_UNSUPPORTED;
        seen = look(acme, BIT(HOOK_VERSION_TO_BE_REMOVED));
        assert_int_equal(seen.begun, BIT(HOOK_VERSION_GONE));
        assert_int_equal(seen.now, BIT(HOOK_VERSION_GONE));
        assert_int_equal(seen.recovered, 0);
}

static void test_a_version_has_recovered_when_it_is_known_to_serve(void **state)
{
        struct credential *acme = give("acme");
        unsigned before = BIT(HOOK_VERSION_TO_BE_REMOVED);

        acme->test.version_state = VERSION_UNKNOWN;
        assert_int_equal(look(acme, before).recovered, 0);
        assert_int_equal(look(acme, before).now, before);
        acme->test.version_state = VERSION_OK;
        assert_int_equal(look(acme, before).recovered, before);
}

static void test_a_foreign_refresher_that_was_not_seen_is_not_told_as_gone(void **state)
{
        struct credential *acme = give("acme");

        acme->foreign_refresher = true;
        assert_int_equal(look(acme, 0).begun, BIT(HOOK_FOREIGN_REFRESHER));
        acme->foreign_refresher = false;
        assert_int_equal(look(acme, BIT(HOOK_FOREIGN_REFRESHER)).recovered, 0);
}

static void test_one_that_nobody_has_logged_in_for_yet_is_no_news(void **state)
{
        struct credential *acme = give("acme");

        acme->refusal = REFUSAL_NEVER_AUTHORIZED;
        assert_int_equal(look(acme, 0).begun, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_trouble_and_its_end_are_told_once_each),
                TEST(test_a_trouble_that_is_over_before_it_was_told_is_never_told),
                TEST(test_what_was_there_at_the_start_is_no_news_but_its_end_is),
                TEST(test_many_of_one_client_are_one_event),
                TEST(test_a_credential_that_flaps_is_rationed_and_told_as_it_is_in_the_end),
                TEST(test_a_disk_that_refuses_is_told_and_its_end_when_all_is_saved),
                cmocka_unit_test_setup_teardown(
                        test_what_nobody_wants_to_know_is_not_told_nor_that_it_is_over, setup_some, teardown),
                TEST(test_a_login_that_waits_for_its_test_ends_no_trouble),
                TEST(test_a_credential_without_a_token_is_a_trouble_after_three_failures),
                TEST(test_worse_trouble_takes_the_place_of_lesser),
                TEST(test_a_version_has_recovered_when_it_is_known_to_serve),
                TEST(test_a_foreign_refresher_that_was_not_seen_is_not_told_as_gone),
                TEST(test_one_that_nobody_has_logged_in_for_yet_is_no_news),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
