/* A server on the loopback, one thread for each connection, that answers (or does not) as a test's function says. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { SERVER_REQUESTS = 128, SERVER_REQUEST_SIZE = 8192, SERVER_CONNECTIONS = 128 };

struct server {
        int listen_fd;
        unsigned port;
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        /* Runs for each connection; fd is closed after it. number counts connections from 0. */
        void (*serve)(struct server *server, int fd, unsigned number);
        struct connection {
                struct server *server;
                pthread_t thread;
                int fd;
                unsigned number;
        } connections[SERVER_CONNECTIONS];
        unsigned n_connections, n_ended;
        char (*requests)[SERVER_REQUEST_SIZE]; /* head and body, in order of arrival */
        unsigned n_requests;
        char url[64]; /* http://127.0.0.1:PORT */
};

void server_start(struct server *server, void (*serve)(struct server *server, int fd, unsigned number));
void server_stop(struct server *server); /* after the clients have closed */

/* For serve(): reads and keeps one request; false when the client has closed. */
bool server_read_request(struct server *server, int fd);
void server_send(int fd, const char *text); /* a client that is gone does not matter */
void server_send_bytes(int fd, const void *bytes, size_t n);
void server_reset(int fd); /* closing will send a reset */

/* For the test. */
unsigned server_n_requests(struct server *server);
unsigned server_n_connections(struct server *server);
void server_wait_ended(struct server *server,
                       unsigned n); /* until n connections are over on the server's side */
void server_wait_requests(struct server *server, unsigned n);
