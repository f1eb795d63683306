/* A connection and the other end of it, over a kernel that interrupts and fails and counts the bytes that were moved. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/types.h>

enum {
        MAX_IN = 200000,
        MAX_OUT = 1 << 20,
};

extern int recv_errno, send_errno, n_interrupts;
extern size_t n_moved;
ssize_t __real_send(int fd, const void *bytes, size_t n, int flags);

extern struct conn *conn;
extern int peer;
int connect_pair(void **state);
int disconnect_pair(void **state);
size_t in_use(void);
void assert_next(const char *expected);
void peer_closes(void);
void peer_writes(const void *bytes, size_t n);
/* Reads meanwhile, as often as it takes. */
void peer_writes_until_full(const char *bytes, size_t n);
/* What conn_next() says, which leaves its outputs alone where it gives nothing. */
int next(void);

#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_pair, disconnect_pair)
