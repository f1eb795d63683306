/* A server on the loopback for tests. Threads of it make no assertions: the test looks at what they kept. */
#include "tests/beds/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(bool done, const char *what)
{
        if (done)
                return;
        perror(what);
        abort();
}

static void *run_connection(void *userdata)
{
        struct connection *connection = userdata;
        struct server *server = connection->server;

        server->serve(server, connection->fd, connection->number);
        close(connection->fd);
        pthread_mutex_lock(&server->mutex);
        server->n_ended++;
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->mutex);
        return NULL;
}

static void *run_server(void *userdata)
{
        struct server *server = userdata;
        int fd;

        while ((fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                pthread_mutex_lock(&server->mutex);
                must(server->n_connections < SERVER_CONNECTIONS, "too many connections");
                struct connection *connection = &server->connections[server->n_connections];
                *connection =
                        (struct connection){ .server = server, .fd = fd, .number = server->n_connections++ };
                must(pthread_create(&connection->thread, NULL, run_connection, connection) == 0,
                     "pthread_create");
                pthread_cond_broadcast(&server->changed);
                pthread_mutex_unlock(&server->mutex);
        }
        return NULL;
}

void server_start(struct server *server, void (*serve)(struct server *server, int fd, unsigned number))
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        *server = (struct server){ .serve = serve };
        server->requests = calloc(SERVER_REQUESTS, sizeof(*server->requests));
        must(server->requests != NULL, "calloc");
        pthread_mutex_init(&server->mutex, NULL);
        pthread_cond_init(&server->changed, NULL);
        server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(bind(server->listen_fd, (struct sockaddr *)&address, size) == 0, "bind");
        must(listen(server->listen_fd, 128) == 0, "listen");
        must(getsockname(server->listen_fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
        server->port = ntohs(address.sin_port);
        snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", server->port);
        must(pthread_create(&server->thread, NULL, run_server, server) == 0, "pthread_create");
}

void server_stop(struct server *server)
{
        shutdown(server->listen_fd, SHUT_RDWR);
        pthread_join(server->thread, NULL);
        for (unsigned i = 0; i < server->n_connections; i++)
                pthread_join(server->connections[i].thread, NULL);
        close(server->listen_fd);
        pthread_mutex_destroy(&server->mutex);
        pthread_cond_destroy(&server->changed);
        free(server->requests);
}

/* How long the whole request is, once its head is here; 0 before. */
static size_t request_length(const char *text)
{
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "\r\nContent-Length:");

        if (!end)
                return 0;
        size_t head = (size_t)(end - text) + 4;
        return length && length < end ? head + strtoul(length + 17, NULL, 10) : head;
}

bool server_read_request(struct server *server, int fd)
{
        char request[SERVER_REQUEST_SIZE] = "";
        size_t have = 0;

        while (have == 0 || request_length(request) == 0 || have < request_length(request)) {
                ssize_t n = read(fd, request + have, sizeof(request) - 1 - have);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                have += (size_t)n;
                request[have] = '\0';
        }
        pthread_mutex_lock(&server->mutex);
        must(server->n_requests < SERVER_REQUESTS, "too many requests");
        memcpy(server->requests[server->n_requests++], request, sizeof(request));
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->mutex);
        return true;
}

void server_send_bytes(int fd, const void *bytes, size_t n)
{
        const char *at = bytes;

        while (n > 0) {
                ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
                if (sent <= 0)
                        return;
                at += sent;
                n -= (size_t)sent;
        }
}

void server_send(int fd, const char *text)
{
        server_send_bytes(fd, text, strlen(text));
}

void server_reset(int fd)
{
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
}

unsigned server_n_requests(struct server *server)
{
        pthread_mutex_lock(&server->mutex);
        unsigned n = server->n_requests;
        pthread_mutex_unlock(&server->mutex);
        return n;
}

unsigned server_n_connections(struct server *server)
{
        pthread_mutex_lock(&server->mutex);
        unsigned n = server->n_connections;
        pthread_mutex_unlock(&server->mutex);
        return n;
}

static void wait_until(struct server *server, const unsigned *counter, unsigned n)
{
        pthread_mutex_lock(&server->mutex);
        while (*counter < n)
                pthread_cond_wait(&server->changed, &server->mutex);
        pthread_mutex_unlock(&server->mutex);
}

void server_wait_ended(struct server *server, unsigned n)
{
        wait_until(server, &server->n_ended, n);
}

void server_wait_requests(struct server *server, unsigned n)
{
        wait_until(server, &server->n_requests, n);
}
