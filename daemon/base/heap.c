/* An intrusive binary heap. Knows nothing of what the nodes are part of. */
#include "daemon/base/heap.h"

#include "common/fault.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static void put_at(struct heap *heap, size_t index, struct heap_node *node)
{
        heap->nodes[index] = node;
        node->index = index;
}

static void sift_up(struct heap *heap, struct heap_node *node)
{
        size_t at = node->index;

        while (at > 0) {
                size_t parent = (at - 1) / 2;
                if (heap->nodes[parent]->due_usec <= node->due_usec)
                        break;
                put_at(heap, at, heap->nodes[parent]);
                at = parent;
        }
        put_at(heap, at, node);
}

static void sift_down(struct heap *heap, struct heap_node *node)
{
        size_t at = node->index;

        for (;;) {
                size_t child = 2 * at + 1;
                if (child >= heap->n)
                        break;
                if (child + 1 < heap->n && heap->nodes[child + 1]->due_usec < heap->nodes[child]->due_usec)
                        child++;
                if (heap->nodes[child]->due_usec >= node->due_usec)
                        break;
                put_at(heap, at, heap->nodes[child]);
                at = child;
        }
        put_at(heap, at, node);
}

static int make_room(struct heap *heap)
{
        if (heap->n < heap->allocated)
                return 0;
        size_t more = heap->allocated ? heap->allocated * 2 : 16;
        struct heap_node **nodes = reallocarray(heap->nodes, more, sizeof(*nodes));
        if (!nodes)
                return fault(-ENOMEM);
        heap->nodes = nodes;
        heap->allocated = more;
        return 0;
}

int heap_set(struct heap *heap, struct heap_node *node, uint64_t due_usec)
{
        if (node->index == HEAP_NOT_IN) {
                int r = make_room(heap);
                if (r < 0)
                        return r;
                put_at(heap, heap->n++, node);
        }
        assert(heap->nodes[node->index] == node);
        node->due_usec = due_usec;
        sift_up(heap, node);
        sift_down(heap, node);
        return 0;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
        if (node->index == HEAP_NOT_IN)
                return;
        assert(heap->nodes[node->index] == node);
        struct heap_node *last = heap->nodes[--heap->n];
        if (last != node) {
                put_at(heap, node->index, last);
                sift_up(heap, last);
                sift_down(heap, last);
        }
        node->index = HEAP_NOT_IN;
}

struct heap_node *heap_first(const struct heap *heap)
{
        return heap->n ? heap->nodes[0] : NULL;
}

void heap_done(struct heap *heap)
{
        for (size_t i = 0; i < heap->n; i++)
                heap->nodes[i]->index = HEAP_NOT_IN;
        free(heap->nodes);
        *heap = (struct heap)HEAP_INIT;
}
