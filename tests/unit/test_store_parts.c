// links: daemon/store/
// libs: libsystemd sqlite3
/* A store that is read in parts holds what it holds when it is read at once, whatever is written in between. */
#include "tests/beds/store_place.h"

#include "common/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = { "facts", "grant", "pending-grant" };

enum { N_KINDS = 3, N_NAMES = 50 };

struct seen {
        char text[8192];
        size_t n, of_kind[N_KINDS];
        int result; /* of the third record */
};

static int note(const char *kind, const char *name, const uint8_t *blob, size_t n, void *userdata)
{
        struct seen *seen = userdata;
        size_t at = strlen(seen->text);

        snprintf(seen->text + at, sizeof(seen->text) - at, "%s/%s=%.*s ", kind, name, (int)n,
                 (const char *)blob);
        for (size_t i = 0; i < N_KINDS; i++)
                seen->of_kind[i] += strcmp(kind, kinds[i]) == 0;
        return ++seen->n == 3 ? seen->result : 0;
}

static void put_record(struct place *place, const char *kind, const char *name, const char *text)
{
        struct store_op op = { kind, name, (const uint8_t *)text, text ? strlen(text) : 0 };
        struct outcome outcome = { 0 };

        start_ops(place, &outcome, &op, 1);
        store_flush(place->store);
        assert_int_equal(outcome.result, 0);
        finish_write(&outcome);
}

/* Each name has some of the kinds, by its number's bits; two more kinds stand before and behind all those. */
static void fill(struct place *place)
{
        char name[16];

        must_open(place);
        for (unsigned i = 0; i < N_NAMES; i++) {
                snprintf(name, sizeof(name), "n%02u", i);
                for (unsigned k = 0; k < N_KINDS; k++)
                        if ((i * 5 + 3) & 1U << k)
                                put_record(place, kinds[k], name, name + 1);
        }
        put_record(place, "client-secret", "app", "s");
        put_record(place, "meta", "key-check", "");
        put_record(place, "zebra", "one", "1");
}

static int read_part(struct place *place, const char *after, size_t most, char **ret_last, struct seen *seen)
{
        *seen = (struct seen){ 0 };
        return store_load_part(place->store, kinds, N_KINDS, after, most, ret_last, note, seen, &place->diag);
}

static void test_the_parts_together_are_everything_and_none_is_larger_than_asked_for(void **state)
{
        struct place *place = *state;
        struct seen whole = { 0 }, part;

        fill(place);
        assert_int_equal(store_load(place->store, note, &whole, &place->diag), 0);
        for (size_t most = 1; most <= N_NAMES + 1; most++) {
                _cleanup_(freep) char *after = NULL;
                size_t n = 0;
                bool ended = false;

                while (!ended) {
                        char *last;

                        assert_int_equal(read_part(place, after, most, &last, &part), 0);
                        for (size_t i = 0; i < N_KINDS; i++)
                                assert_true(part.of_kind[i] <= most);
                        assert_null(strstr(part.text, "client-secret"));
                        n += part.n;
                        /* Each once, and whole. */
                        for (char *at = part.text; *at; at = strchr(at, ' ') + 1) {
                                char record[64];

                                snprintf(record, sizeof(record), "%.*s ", (int)strcspn(at, " "), at);
                                assert_non_null(strstr(whole.text, record));
                                assert_true(!last ||
                                            strncmp(strchr(record, '/') + 1, last, strlen(last)) <= 0);
                                assert_true(!after ||
                                            strncmp(strchr(record, '/') + 1, after, strlen(after)) > 0);
                        }
                        ended = !last;
                        free(after);
                        after = last;
                }
                assert_int_equal(n, whole.n - 3);
        }
}

static void test_kinds_come_in_the_order_that_is_asked_for_and_names_in_theirs(void **state)
{
        static const char *const turned[] = { "grant", "facts" };
        struct place *place = *state;
        struct seen seen = { 0 };
        char *last;

        must_open(place);
        put_record(place, "facts", "b", "1");
        put_record(place, "grant", "b", "2");
        put_record(place, "grant", "a", "3");
        assert_int_equal(store_load_part(place->store, turned, 2, NULL, 10, &last, note, &seen, &place->diag),
                         0);
        assert_null(last);
        assert_string_equal(seen.text, "grant/a=3 grant/b=2 facts/b=1 ");
}

static void test_one_name_is_read_alone(void **state)
{
        struct place *place = *state;
        struct seen seen = { 0 };

        fill(place);
        put_record(place, "facts", "n1", "x");
        put_record(place, "grant", "n1", "y");
        assert_int_equal(store_load_named(place->store, kinds, N_KINDS, "n1", note, &seen, &place->diag), 0);
        assert_string_equal(seen.text, "facts/n1=x grant/n1=y ");
        seen = (struct seen){ 0 };
        assert_int_equal(store_load_named(place->store, kinds, N_KINDS, "n", note, &seen, &place->diag), 0);
        assert_int_equal(seen.n, 0);
}

static void test_the_other_kinds_are_read_without_those(void **state)
{
        struct place *place = *state;
        struct seen seen = { 0 };

        fill(place);
        assert_int_equal(store_load_others(place->store, kinds, N_KINDS, note, &seen, &place->diag), 0);
        assert_string_equal(seen.text, "client-secret/app=s meta/key-check= zebra/one=1 ");
}

static void test_what_is_written_between_two_parts_is_in_the_next_one(void **state)
{
        struct place *place = *state;
        struct seen seen;
        char *last, *end;

        fill(place);
        assert_int_equal(read_part(place, NULL, 20, &last, &seen), 0);
        assert_non_null(last);
        put_record(place, "facts", "a-before", "late");
        put_record(place, "facts", "n49", "new");
        put_record(place, "grant", "n48", NULL);
        assert_int_equal(read_part(place, last, N_NAMES, &end, &seen), 0);
        assert_null(end);
        assert_null(strstr(seen.text, "a-before"));
        assert_non_null(strstr(seen.text, "facts/n49=new "));
        assert_null(strstr(seen.text, "grant/n48"));
        free(last);
        /* Nothing of it keeps the journal from being played in, nor the store from being closed. */
        reopen_process(place);
        assert_int_equal(read_part(place, NULL, 100, &end, &seen), 0);
        assert_non_null(strstr(seen.text, "facts/a-before=late "));
}

static void test_a_part_reads_what_is_being_committed(void **state)
{
        struct place *place = *state;
        struct outcome outcome;
        struct seen seen;
        char *last;

        must_open(place);
        start_put(place, &outcome, "unseen", "x");
        turn_loop(place);
        finish_write(&outcome);
        for (unsigned i = 0; i < 20; i++) {
                struct store_op op = { "facts", "a", (const uint8_t *)"0123456789012345678901", i + 1 };

                start_ops(place, &outcome, &op, 1);
                /* Under way or over, whichever comes first. */
                while (!store_wait(place->store) && outcome.calls == 0)
                        assert_true(sd_event_run(place->event, 1000) >= 0);
                assert_int_equal(read_part(place, NULL, 10, &last, &seen), 0);
                assert_int_equal(strlen(seen.text), strlen("facts/a= ") + i + 1);
                turn_loop(place);
                finish_write(&outcome);
        }
}

static void test_the_callbacks_word_ends_the_reading(void **state)
{
        struct place *place = *state;
        struct seen seen = { .result = 7 };
        char *last = NULL;

        fill(place);
        assert_int_equal(
                store_load_part(place->store, kinds, N_KINDS, NULL, 20, &last, note, &seen, &place->diag), 7);
        assert_null(last);
        assert_int_equal(seen.n, 3);
        seen = (struct seen){ .result = -5 };
        assert_int_equal(store_load_others(place->store, kinds, N_KINDS, note, &seen, &place->diag), -5);
        assert_int_equal(read_part(place, NULL, N_NAMES + 1, &last, &seen), 0);
        assert_null(last);
}

int main(void)
{
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, place_set_up_in_memory, place_tear_down)
        const struct CMUnitTest tests[] = {
                IN_A_PLACE(test_the_parts_together_are_everything_and_none_is_larger_than_asked_for),
                IN_A_PLACE(test_kinds_come_in_the_order_that_is_asked_for_and_names_in_theirs),
                IN_A_PLACE(test_one_name_is_read_alone),
                IN_A_PLACE(test_the_other_kinds_are_read_without_those),
                IN_A_PLACE(test_what_is_written_between_two_parts_is_in_the_next_one),
                IN_A_PLACE(test_a_part_reads_what_is_being_committed),
                IN_A_PLACE(test_the_callbacks_word_ends_the_reading),
        };

        if (store_global_init() != 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
