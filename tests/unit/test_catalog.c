// The events of the journal, their explanations in the catalogue, and the manual must name the same ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stddef.h>
#include <cmocka.h>

enum { ID = 32, MOST = 128 };

static char events[65536], catalog[65536], manual[131072];

static void read_file(const char *path, char *text, size_t size)
{
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        size_t n = fread(text, 1, size - 1, file);
        fclose(file);
        assert_in_range(n, 1, size - 2);
        text[n] = '\0';
}

static int read_files(void **state)
{
        read_file("daemon/base/events.h", events, sizeof(events));
        read_file("systemd/purser.catalog", catalog, sizeof(catalog));
        read_file("daemon/purserd.8", manual, sizeof(manual));
        return 0;
}

static bool is_id(const char *text)
{
        return strspn(text, "0123456789abcdef") == ID;
}

/* The ids that stand behind each occurrence of `before`, up to the next one that is none. */
static size_t find_ids(const char *text, const char *before, const char **ids)
{
        size_t n = 0;

        for (const char *at = strstr(text, before); at; at = strstr(at, before)) {
                at += strlen(before);
                if (strcmp(before, "#define EVENT_") == 0)
                        at += strcspn(at, "\"") + 1;
                if (!is_id(at))
                        fail_msg("no MESSAGE_ID: %.40s", at);
                assert_in_range(n, 0, MOST - 1);
                ids[n++] = at;
        }
        return n;
}

static bool has(const char *const *ids, size_t n, const char *id)
{
        for (size_t i = 0; i < n; i++)
                if (strncmp(ids[i], id, ID) == 0)
                        return true;
        return false;
}

static void assert_each_is_among(const char *const *some, size_t n_some, const char *const *all, size_t n_all,
                                 const char *where)
{
        for (size_t i = 0; i < n_some; i++)
                if (!has(all, n_all, some[i]))
                        fail_msg("%.32s is not in %s", some[i], where);
}

static void test_every_event_has_an_entry_and_every_entry_an_event(void **state)
{
        const char *of_events[MOST], *of_catalog[MOST];
        size_t n_events = find_ids(events, "#define EVENT_", of_events);
        size_t n_catalog = find_ids(catalog, "\n-- ", of_catalog);

        assert_in_range(n_events, 18, MOST);
        assert_each_is_among(of_events, n_events, of_catalog, n_catalog, "systemd/purser.catalog");
        assert_each_is_among(of_catalog, n_catalog, of_events, n_events, "daemon/base/events.h");
}

static void test_no_event_shares_its_id(void **state)
{
        const char *ids[MOST];
        size_t n = find_ids(events, "#define EVENT_", ids);

        for (size_t i = 0; i < n; i++)
                if (has(ids + i + 1, n - i - 1, ids[i]))
                        fail_msg("%.32s is there twice", ids[i]);
        n = find_ids(catalog, "\n-- ", ids);
        for (size_t i = 0; i < n; i++)
                if (has(ids + i + 1, n - i - 1, ids[i]))
                        fail_msg("%.32s is explained twice", ids[i]);
}

/* Subject, who it is from and where to read more; then what happened, and what to do, in two paragraphs at least. */
static void test_every_entry_has_its_headers_and_says_what_to_do(void **state)
{
        const char *ids[MOST];
        size_t n = find_ids(catalog, "\n-- ", ids);

        for (size_t i = 0; i < n; i++) {
                const char *end = strstr(ids[i], "\n-- "), *body = strstr(ids[i], "\n\n");
                size_t length = end ? (size_t)(end - ids[i]) : strlen(ids[i]);
                char entry[4096];

                assert_in_range(length, 1, sizeof(entry) - 1);
                snprintf(entry, sizeof(entry), "%.*s", (int)length, ids[i]);
                body = strstr(entry, "\n\n");
                if (!strstr(entry, "\nSubject: ") || !strstr(entry, "\nDefined-By: purser\n") ||
                    !strstr(entry, "\nDocumentation: man:") || !body || !strstr(body + 2, "\n\n"))
                        fail_msg("the entry of %.32s lacks something", ids[i]);
        }
}

static void test_every_event_and_field_stands_in_the_manual(void **state)
{
        const char *ids[MOST];
        size_t n = find_ids(events, "#define EVENT_", ids);
        char item[64];

        for (size_t i = 0; i < n; i++) {
                snprintf(item, sizeof(item), "\n.It %.2s\n", ids[i] + ID - 2);
                if (!strstr(manual, item))
                        fail_msg("%.32s is not in daemon/purserd.8", ids[i]);
        }
        for (const char *at = strstr(catalog, "@PURSER_"); at; at = strstr(at, "@PURSER_")) {
                size_t length = strcspn(++at, "@");
                char field[64];

                assert_in_range(length, 1, sizeof(field) - 1);
                snprintf(field, sizeof(field), "%.*s", (int)length, at);
                if (!strstr(manual, field))
                        fail_msg("%s is not in daemon/purserd.8", field);
                at += length + 1;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_event_has_an_entry_and_every_entry_an_event),
                cmocka_unit_test(test_no_event_shares_its_id),
                cmocka_unit_test(test_every_entry_has_its_headers_and_says_what_to_do),
                cmocka_unit_test(test_every_event_and_field_stands_in_the_manual),
        };
        return cmocka_run_group_tests(tests, read_files, NULL);
}
