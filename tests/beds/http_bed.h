/* One server, one client and one exchange between them. */
#pragma once

#include "tests/beds/http_client.h"
#include "tests/beds/http_server.h"

extern struct server server;
extern struct client client;
extern struct exchange exchange;
int set_up(void **state);
int tear_down(void **state);
void answer_briefly(struct server *self, int fd, unsigned number);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
