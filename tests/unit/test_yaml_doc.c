// links: daemon/config/
// libs: yaml-0.1
#include "daemon/config/yaml_doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static int parse(const char *text, struct yaml_node **ret, struct problems *problems)
{
        return yaml_doc_parse(ret, "f", text, strlen(text), problems);
}

static struct yaml_node *parse_well(const char *text)
{
        struct problems problems = PROBLEMS_INIT;
        struct yaml_node *node = NULL;

        if (parse(text, &node, &problems) != 0)
                fail_msg("%s: %s", text, problems.n > 0 ? problems.lines[0] : "a fault");
        assert_int_equal(problems.n, 0);
        return node;
}

static void test_a_tree_remembers_lines_columns_and_quotes(void **state)
{
        _cleanup_(yaml_node_freep) struct yaml_node *root = parse_well(
                "# first\nclients:\n  app:\n    api_version: 2023-08-18\n    scopes: [a, \"b c\"]\n");
        const struct yaml_node *app = yaml_node_get(yaml_node_get(root, "clients"), "app");
        const struct yaml_node *version = yaml_node_get(app, "api_version");
        const struct yaml_node *scopes = yaml_node_get(app, "scopes");

        assert_int_equal(root->kind, YAML_MAPPING);
        assert_int_equal(version->kind, YAML_SCALAR);
        assert_string_equal(version->scalar, "2023-08-18");
        assert_true(version->plain);
        assert_int_equal(version->line, 4);
        assert_int_equal(version->column, 18);
        assert_int_equal(app->keys[1]->line, 5);
        assert_int_equal(app->keys[1]->column, 5);
        assert_int_equal(scopes->kind, YAML_SEQUENCE);
        assert_int_equal(scopes->n_items, 2);
        assert_string_equal(scopes->items[1]->scalar, "b c");
        assert_false(scopes->items[1]->plain);
        assert_null(yaml_node_get(app, "nothing"));
        assert_null(yaml_node_get(version, "nothing"));
        assert_null(yaml_node_get(NULL, "nothing"));
}

static void test_a_document_without_content_has_no_tree(void **state)
{
        static const char *const texts[] = { "", "\n", "# words\n", "---\n", "---\n...\n", "\xef\xbb\xbf" };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                assert_null(parse_well(texts[i]));
}

static void test_a_byte_order_mark_json_and_block_text_are_read(void **state)
{
        _cleanup_(yaml_node_freep) struct yaml_node *marked = parse_well("\xef\xbb\xbf"
                                                                         "a: 1\n");
        _cleanup_(yaml_node_freep) struct yaml_node *json =
                parse_well("{\"a\": [true, null], \"b\": {\"c\": 1}}");
        _cleanup_(yaml_node_freep) struct yaml_node *block = parse_well("q: |\n  query {\n    a\n  }\n");

        assert_string_equal(yaml_node_get(marked, "a")->scalar, "1");
        assert_int_equal(yaml_node_get(json, "a")->n_items, 2);
        assert_true(yaml_node_get(json, "a")->items[0]->plain);
        assert_string_equal(yaml_node_get(block, "q")->scalar, "query {\n  a\n}\n");
}

static void test_every_mistake_has_its_line(void **state)
{
        static const struct {
                const char *text;
                const char *line; /* the first one */
                size_t n;
        } cases[] = {
                { "a: 1\nb: 2\na: 3\n", "f:3:1: a: duplicate key; it is already in line 1", 1 },
                { "c:\n  x: {k: 1, k: 2}\n", "f:2:13: c.x.k: duplicate key; it is already in line 2", 1 },
                { "a: &x 1\n", "f:1:4: a: anchors (&) are not supported: write the value out", 1 },
                { "a: &x [1]\n", "f:1:4: a: anchors (&) are not supported: write the value out", 1 },
                { "a: &x {b: 1}\n", "f:1:4: a: anchors (&) are not supported: write the value out", 1 },
                { "a: &x 1\nb: *x\nc: *x\n", "f:1:4: a: anchors (&) are not supported: write the value out",
                  3 },
                { "a: 1\nb: *a\n", "f:2:4: b: aliases (*) are not supported: write the value out", 1 },
                { "- 1\n- *a\n", "f:2:3: [1]: aliases (*) are not supported: write the value out", 1 },
                { "*a : 1\n", "f:1:1: aliases (*) are not supported: write the value out", 1 },
                { "a: !!str 1\n", "f:1:4: a: tags (!) are not supported: write the value alone", 1 },
                { "a: !x [1]\n", "f:1:4: a: tags (!) are not supported: write the value alone", 1 },
                { "a: ! 1\n", "f:1:4: a: tags (!) are not supported: write the value alone", 1 },
                { "a: 1\n---\nb: 2\n", "f:2:1: a second document: one file holds one", 1 },
                { "client_id: {{ id }}\n",
                  "f:1:13: client_id: a key must be text; quote a value that begins with a brace or bracket",
                  1 },
                { "? [1]\n: 2\nb: 1\nb: 2\n",
                  "f:1:3: a key must be text; quote a value that begins with a brace or bracket", 2 },
                { "a: \"x\\0y\"\n", "f:1:4: a: holds a control character", 1 },
                { "\"x\\0y\": 1\n", "f:1:1: holds a control character", 1 },
                { "a: b: c\n", "f:1:5: not valid YAML: mapping values are not allowed in this context", 1 },
                { "a:\n\tb: 1\n", "f:2:1: not valid YAML: a tab; indent with blanks", 1 },
                { "a: [1\nb: 2\n",
                  "f:2:2: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence "
                  "(line 1)",
                  1 },
                { "a: \"b\n",
                  "f:2:1: not valid YAML: found unexpected end of stream while scanning a quoted scalar "
                  "(line 1)",
                  1 },
                { "a: \xff\n", "f:1:4: not valid YAML: invalid leading UTF-8 octet", 1 },
                { "\xc3\xbc: 1\nb: \xc3\xbc\x01\n",
                  "f:2:5: not valid YAML: control characters are not allowed", 1 },
                { "a: \xed\xa0\x80\n", "f:1:4: not valid YAML: invalid Unicode character", 1 },
                { "\xff\xfe"
                  "a\0:\0",
                  "f:1:1: not valid YAML: invalid leading UTF-8 octet", 1 },
                { "%YAML 9.9\n---\na: 1\n", "f:1:1: not valid YAML: found incompatible YAML document", 1 },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct problems problems = PROBLEMS_INIT;
                _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;

                if (parse(cases[i].text, &node, &problems) != YAML_E_MISTAKES)
                        fail_msg("%s: no mistake", cases[i].text);
                assert_string_equal(problems.lines[0], cases[i].line);
                if (problems.n != cases[i].n)
                        fail_msg("%s: %zu mistakes", cases[i].text, problems.n);
                problems_done(&problems);
        }
}

static void test_a_tree_with_a_duplicate_key_is_handed_out_with_the_first_value(void **state)
{
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;

        assert_int_equal(parse("a: 1\na: 2\n", &root, &problems), YAML_E_MISTAKES);
        assert_non_null(root);
        assert_string_equal(yaml_node_get(root, "a")->scalar, "1");
        problems_done(&problems);
}

static void test_a_tree_with_a_hole_is_kept_back(void **state)
{
        static const char *const texts[] = { "a: 1\nb: *a\n", "a: [1\n", "a: \xff\n" };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct problems problems = PROBLEMS_INIT;
                struct yaml_node *root = NULL;

                assert_int_equal(parse(texts[i], &root, &problems), YAML_E_MISTAKES);
                assert_null(root);
                problems_done(&problems);
        }
}

/* n times the same bytes between two texts. */
static char *repeat(const char *before, const char *piece, size_t n, const char *after)
{
        size_t n_piece = strlen(piece), size = strlen(before) + n * n_piece + strlen(after) + 1;
        char *text = malloc(size), *p;

        assert_non_null(text);
        p = stpcpy(text, before);
        for (size_t i = 0; i < n; i++)
                p = stpcpy(p, piece);
        strcpy(p, after);
        return text;
}

static void expect_line(char *text, const char *line)
{
        struct problems problems = PROBLEMS_INIT;
        _cleanup_(yaml_node_freep) struct yaml_node *node = NULL;
        int r = parse(text, &node, &problems);

        assert_int_equal(r, line ? YAML_E_MISTAKES : 0);
        if (line)
                assert_string_equal(problems.lines[problems.n - 1], line);
        problems_done(&problems);
        free(text);
}

static void test_depth_and_sizes_are_limited(void **state)
{
        char path[YAML_DEPTH_MAX * 3 + 1] = "", line[256];

        for (unsigned i = 0; i < YAML_DEPTH_MAX; i++)
                strcat(path, "[0]");
        snprintf(line, sizeof(line), "f:1:33: %s: nested too deeply: more than 32 levels", path);
        expect_line(repeat("", "[", YAML_DEPTH_MAX, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), NULL);
        expect_line(repeat("", "[", YAML_DEPTH_MAX + 1, ""), line);
        expect_line(repeat("", "[", 100000, ""), line);
        expect_line(repeat("[", "1,", YAML_ITEMS_MAX, "]"), NULL);
        expect_line(repeat("[", "1,", YAML_ITEMS_MAX + 1, "]"), "f:1:10002: too large: more than 5000 items");
        expect_line(repeat("- [1,2,3,4,5,6,7,8,9]\n", "- [1,2,3,4,5,6,7,8,9]\n", 4998, ""), NULL);
        expect_line(repeat("- [1,2,3,4,5,6,7,8,9,0,1]\n", "- [1,2,3,4,5,6,7,8,9,0,1]\n", 4998, ""),
                    "f:4167:16: [4166][6]: too large: more than 50000 values");
        expect_line(repeat("# ", "x", YAML_DOC_MAX - 2, ""), NULL);
        expect_line(repeat("# ", "x", YAML_DOC_MAX - 1, ""), "f:1:1: too large: more than 1048576 bytes");
}

static void test_a_path_is_cut_and_stops_at_a_client_secret(void **state)
{
        struct problems problems = PROBLEMS_INIT;
        struct yaml_place root = { .file = "f", .problems = &problems, .key = "clients" };
        struct yaml_place app = yaml_place_key(&root, "app"), secret = yaml_place_key(&app, "client_secret");
        struct yaml_place inline_secret = yaml_place_key(&secret, "hunter2"),
                          item = yaml_place_index(&inline_secret, 1);
        struct yaml_place long_key =
                yaml_place_key(&app, "0123456789012345678901234567890123456789012345678901234567890123");
        char path[256], small[16];

        assert_string_equal(yaml_place_format(&item, path, sizeof(path)), "clients.app.client_secret");
        assert_string_equal(yaml_place_format(&long_key, path, sizeof(path)),
                            "clients.app.012345678901234567890123456789012345678901234567890123456789...");
        assert_string_equal(yaml_place_format(&long_key, small, sizeof(small)), "clients.app....");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_tree_remembers_lines_columns_and_quotes),
                cmocka_unit_test(test_a_document_without_content_has_no_tree),
                cmocka_unit_test(test_a_byte_order_mark_json_and_block_text_are_read),
                cmocka_unit_test(test_every_mistake_has_its_line),
                cmocka_unit_test(test_a_tree_with_a_duplicate_key_is_handed_out_with_the_first_value),
                cmocka_unit_test(test_a_tree_with_a_hole_is_kept_back),
                cmocka_unit_test(test_depth_and_sizes_are_limited),
                cmocka_unit_test(test_a_path_is_cut_and_stops_at_a_client_secret),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
