// links: daemon/config/
// libs: yaml-0.1
/*
 * Any bytes as a file of the configuration. What is handed out is a whole tree within its limits; what is
 * told is one line each.
 */
#include "daemon/config/yaml_doc.h"

#include "tests/fuzz/fuzz.h"

static void check_node(const struct yaml_node *node, unsigned depth)
{
        fuzz_check(depth <= YAML_DEPTH_MAX + 1 && node->line >= 1 && node->column >= 1);
        fuzz_check((node->kind == YAML_SCALAR) == (node->scalar != NULL));
        fuzz_check(node->kind != YAML_SCALAR || node->n_items == 0);
        fuzz_check(node->n_items <= YAML_ITEMS_MAX);
        for (size_t i = 0; i < node->n_items; i++) {
                if (node->kind == YAML_MAPPING) {
                        fuzz_check(node->keys[i]->kind == YAML_SCALAR);
                        fuzz_check(yaml_node_get(node, node->keys[i]->scalar) == node->items[i]);
                }
                check_node(node->items[i], depth + 1);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        struct problems problems = PROBLEMS_INIT;
        struct yaml_node *root = NULL;
        int r = yaml_doc_parse(&root, "f", (const char *)data, n, &problems);

        fuzz_check(r >= 0);
        fuzz_check((r == YAML_E_MISTAKES) == (problems.n > 0));
        fuzz_check(problems.n <= PROBLEMS_MAX);
        for (size_t i = 0; i < problems.n; i++)
                fuzz_check_line(problems.lines[i], strlen(problems.lines[i]) + 1);
        if (root)
                check_node(root, 1);
        yaml_node_free(root);
        problems_done(&problems);
        return 0;
}
