#include "tests/beds/http_bed.h"

struct server server;
struct client client;
struct exchange exchange;

int set_up(void **state)
{
        client_start(&client);
        return 0;
}

int tear_down(void **state)
{
        struct secret_stats stats;

        end(&exchange);
        client_stop(&client);
        server_stop(&server);
        secret_get_stats(&stats);
        assert_int_equal(stats.bytes_in_use, 0);
        return 0;
}

void answer_briefly(struct server *self, int fd, unsigned number)
{
        while (server_read_request(self, fd))
                server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: id=1\r\n\r\n{}");
}
