/* An intrusive binary heap: what is due next. O(log n) for each change; no allocation per element. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HEAP_NOT_IN SIZE_MAX

struct heap_node {
        uint64_t due_usec;
        size_t index; /* HEAP_NOT_IN when in no heap */
};

#define HEAP_NODE_INIT                                                                                       \
        {                                                                                                    \
                .index = HEAP_NOT_IN                                                                         \
        }

struct heap {
        struct heap_node **nodes;
        size_t n, allocated;
};

#define HEAP_INIT                                                                                            \
        {                                                                                                    \
                0                                                                                            \
        }

/* Inserts the node, or moves it when it is in already. -ENOMEM only on inserting. */
int heap_set(struct heap *heap, struct heap_node *node, uint64_t due_usec);
void heap_remove(struct heap *heap, struct heap_node *node); /* nothing when it is not in */
struct heap_node *heap_first(const struct heap *heap); /* NULL when empty */
void heap_done(struct heap *heap);
