// links: daemon/http/
// libs: libsodium libsystemd
// ldflags: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup,--wrap=realpath
/* Want of memory in records, sealing, heap, peers and HTTP values: a fault each time, and (under AddressSanitizer) no leak. */
#include "daemon/base/heap.h"
#include "daemon/http/http_message.h"
#include "daemon/base/peer.h"
#include "daemon/base/record.h"
#include "daemon/base/seal.h"
#include "tests/beds/out_of_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Runs `steps` with each of its allocations failing once; it returns 0 or the first fault. */
static void fail_each(int (*steps)(void), size_t at_least)
{
        size_t n = 0;
        bool came;

        /* Secret memory's first page has a way out of its own. */
        assert_int_equal(steps(), 0);
        do {
                out_of_memory_at(n++);
                int r = steps();
                came = out_of_memory_end();
                if (r != (came ? -ENOMEM : 0))
                        fail_msg("allocation %zu: %d", n - 1, r);
        } while (came);
        assert_true(n > at_least);
}

static int read_back(const struct secret *plain)
{
        _cleanup_(freep) char *text = NULL;
        struct record_reader reader;
        struct record_field field;
        int r = record_open(&reader, secret_expose(plain), secret_size(plain));

        if (r == 0)
                r = record_next(&reader, &field);
        return r != 0 ? r : record_get_string(&field, &text);
}

static int seal_and_open(void)
{
        static const char key_bytes[SEAL_KEY_SIZE];
        _cleanup_(secret_freep) struct secret *key = NULL, *plain = NULL;
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(1000);
        _cleanup_(seal_freep) struct seal *seal = NULL;
        _cleanup_(freep) uint8_t *blob = NULL;
        size_t n;
        int r = secret_new(&key, key_bytes, sizeof(key_bytes));

        if (r == 0)
                r = seal_new(&seal, key);
        if (r == 0)
                r = record_begin(&buf);
        if (r == 0)
                r = record_put_string(&buf, 1, "acme");
        if (r == 0)
                r = seal_close(seal, "credential", "acme", buf.data, buf.n, &blob, &n);
        if (r == 0)
                r = seal_open(seal, "credential", "acme", blob, n, &plain);
        return r != 0 ? r : read_back(plain);
}

static void test_sealing_and_opening_a_record(void **state)
{
        fail_each(seal_and_open, 4);
}

static char state_dir[64];

static int load_key(void)
{
        _cleanup_(secret_freep) struct secret *key = NULL;
        enum seal_key_source source;
        struct diag diag = DIAG_INIT;
        bool made;

        return seal_key_load(&key, &source, &made, NULL, state_dir, false, &diag);
}

static void test_loading_a_key_that_is_there(void **state)
{
        char path[80];

        strcpy(state_dir, "/tmp/purser-test-nomem-XXXXXX");
        assert_non_null(mkdtemp(state_dir));
        assert_int_equal(load_key(), 0);
        fail_each(load_key, 0);
        strcpy(path, state_dir);
        assert_int_equal(unlink(strcat(path, "/key")), 0);
        assert_int_equal(rmdir(state_dir), 0);
}

static int fill_heap(void)
{
        static struct heap_node nodes[100];
        struct heap heap = HEAP_INIT;
        int r = 0;

        for (size_t i = 0; i < 100; i++)
                nodes[i] = (struct heap_node)HEAP_NODE_INIT;
        for (size_t i = 0; i < 100 && r == 0; i++) {
                r = heap_set(&heap, &nodes[i], 100 - i);
                /* A node that did not get in is out, and the others are in order. */
                assert_true((r == 0) == (nodes[i].index != HEAP_NOT_IN));
                if (heap_first(&heap))
                        assert_ptr_equal(heap_first(&heap), r == 0 ? &nodes[i] : &nodes[i - 1]);
        }
        heap_done(&heap);
        return r;
}

static void test_filling_a_heap(void **state)
{
        fail_each(fill_heap, 3);
}

static int look_at_peer(void)
{
        _cleanup_(peer_freep) struct peer *peer = NULL;
        int ends[2], r;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        r = peer_from_socket(&peer, ends[0]);
        close(ends[0]);
        close(ends[1]);
        return r;
}

static void test_looking_at_a_peer(void **state)
{
        fail_each(look_at_peer, 1);
}

static int make_request(void)
{
        _cleanup_(http_request_freep) struct http_request *request = NULL;
        int r = http_request_new(&request, true, "https://idp.example/token");

        for (int i = 0; i < 6 && r == 0; i++)
                r = http_request_add_header(request, "X-Name", "value", 5);
        return r;
}

static void test_making_a_request(void **state)
{
        fail_each(make_request, 8);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sealing_and_opening_a_record),
                cmocka_unit_test(test_loading_a_key_that_is_there),
                cmocka_unit_test(test_filling_a_heap),
                cmocka_unit_test(test_looking_at_a_peer),
                cmocka_unit_test(test_making_a_request),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
