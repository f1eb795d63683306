// links: daemon/base/
#include "daemon/base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static void test_an_empty_heap_has_no_first(void **state)
{
        struct heap heap = HEAP_INIT;

        assert_null(heap_first(&heap));
        heap_done(&heap);
}

static void test_nodes_come_out_in_order_of_their_due_times(void **state)
{
        static const uint64_t due[] = { 50, 10, 40, 10, UINT64_MAX, 0, 30, 20 };
        static const uint64_t sorted[] = { 0, 10, 10, 20, 30, 40, 50, UINT64_MAX };
        struct heap_node nodes[8];
        struct heap heap = HEAP_INIT;

        for (size_t i = 0; i < 8; i++) {
                nodes[i] = (struct heap_node)HEAP_NODE_INIT;
                assert_int_equal(heap_set(&heap, &nodes[i], due[i]), 0);
        }
        for (size_t i = 0; i < 8; i++) {
                struct heap_node *first = heap_first(&heap);
                assert_int_equal(first->due_usec, sorted[i]);
                heap_remove(&heap, first);
                assert_int_equal(first->index, HEAP_NOT_IN);
        }
        assert_null(heap_first(&heap));
        heap_done(&heap);
}

static void test_setting_a_node_again_moves_it(void **state)
{
        struct heap_node a = HEAP_NODE_INIT, b = HEAP_NODE_INIT, c = HEAP_NODE_INIT;
        struct heap heap = HEAP_INIT;

        heap_set(&heap, &a, 10);
        heap_set(&heap, &b, 20);
        heap_set(&heap, &c, 30);
        heap_set(&heap, &c, 5);
        assert_ptr_equal(heap_first(&heap), &c);
        heap_set(&heap, &c, 100);
        assert_ptr_equal(heap_first(&heap), &a);
        heap_set(&heap, &a, 50);
        assert_ptr_equal(heap_first(&heap), &b);
        assert_int_equal(heap.n, 3);
        heap_done(&heap);
}

static void test_removing_a_node_that_is_not_in_does_nothing(void **state)
{
        struct heap_node in = HEAP_NODE_INIT, out = HEAP_NODE_INIT;
        struct heap heap = HEAP_INIT;

        heap_remove(&heap, &out);
        heap_set(&heap, &in, 1);
        heap_remove(&heap, &out);
        assert_int_equal(heap.n, 1);
        heap_remove(&heap, &in);
        heap_remove(&heap, &in);
        assert_int_equal(heap.n, 0);
        heap_done(&heap);
}

static void test_nodes_are_out_of_a_heap_that_is_done(void **state)
{
        struct heap_node node = HEAP_NODE_INIT;
        struct heap heap = HEAP_INIT;

        heap_set(&heap, &node, 1);
        heap_done(&heap);
        assert_int_equal(node.index, HEAP_NOT_IN);
        assert_int_equal(heap_set(&heap, &node, 2), 0);
        assert_ptr_equal(heap_first(&heap), &node);
        heap_done(&heap);
}

static uint32_t next_random(uint32_t *seed)
{
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

static uint64_t least_due(const struct heap_node *nodes, size_t n)
{
        uint64_t least = UINT64_MAX;

        for (size_t i = 0; i < n; i++)
                if (nodes[i].index != HEAP_NOT_IN && nodes[i].due_usec < least)
                        least = nodes[i].due_usec;
        return least;
}

static void test_the_first_is_the_least_after_any_order_of_changes(void **state)
{
        enum { N = 200 };
        struct heap_node nodes[N];
        struct heap heap = HEAP_INIT;
        uint32_t seed = 1;

        for (size_t i = 0; i < N; i++)
                nodes[i] = (struct heap_node)HEAP_NODE_INIT;
        for (int step = 0; step < 20000; step++) {
                struct heap_node *node = &nodes[next_random(&seed) % N];
                if (next_random(&seed) % 3 == 0)
                        heap_remove(&heap, node);
                else
                        assert_int_equal(heap_set(&heap, node, next_random(&seed) % 1000), 0);
                if (heap.n > 0)
                        assert_int_equal(heap_first(&heap)->due_usec, least_due(nodes, N));
                else
                        assert_null(heap_first(&heap));
        }
        heap_done(&heap);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_empty_heap_has_no_first),
                cmocka_unit_test(test_nodes_come_out_in_order_of_their_due_times),
                cmocka_unit_test(test_setting_a_node_again_moves_it),
                cmocka_unit_test(test_removing_a_node_that_is_not_in_does_nothing),
                cmocka_unit_test(test_nodes_are_out_of_a_heap_that_is_done),
                cmocka_unit_test(test_the_first_is_the_least_after_any_order_of_changes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
