/* The listener: libmicrohttpd without threads, driven from one poll(). */
#include "client/loopback.h"

#include "client/loopback_owner.h"
#include "client/page.h"
#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
        LISTENERS_MAX = 2, /* IPv4 and IPv6 */
        CONNECTIONS_MAX = 32,
        CONNECTION_TIMEOUT_SEC = 15,
        DOORS_MAX = 2,
        DOOR_KEY = 8, /* letters of five bits each: more than can be tried while a login waits */
        DELIVERY_USEC = 5 * 1000 * 1000, /* for a browser to take its page */
};

/* ---- the listener ---- */

/* One HTTP request, from its first line to the end of its answer. */
struct request {
        struct loopback *loopback;
        struct secret *target; /* path and query, as they came: they hold the code */
        bool answered;
};

/* A short address that leads to a long one. */
struct door {
        struct loopback_uri uri; /* its path is "/" and the key */
        char *address, *leads_to;
        bool once, used;
};

struct loopback {
        struct loopback_uri uri;
        struct door doors[DOORS_MAX];
        size_t n_doors;
        struct MHD_Daemon *daemons[LISTENERS_MAX];
        int epoll_fds[LISTENERS_MAX];
        size_t n_daemons;

        struct MHD_Connection *held; /* the browser that waits for its page */
        struct request *held_request;
        unsigned status; /* with which it will be answered */
        const char *html;
};

static const char *const security_headers[][2] = {
        { MHD_HTTP_HEADER_CONTENT_TYPE, "text/html; charset=utf-8" },
        { MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
        { "Content-Security-Policy", page_policy },
        { "Referrer-Policy", "no-referrer" },
        { "X-Content-Type-Options", "nosniff" },
        { "X-Frame-Options", "DENY" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { MHD_HTTP_HEADER_CONNECTION, "close" },
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *html,
                               const char *location)
{
        struct MHD_Response *response;
        enum MHD_Result r = MHD_YES;

        response = MHD_create_response_from_buffer(strlen(html), (void *)html, MHD_RESPMEM_MUST_COPY);
        if (!response)
                return MHD_NO;
        for (size_t i = 0; r == MHD_YES && i < sizeof(security_headers) / sizeof(security_headers[0]); i++)
                r = MHD_add_response_header(response, security_headers[i][0], security_headers[i][1]);
        if (r == MHD_YES && location)
                r = MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, location);
        if (r == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
                r = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET");
        if (r == MHD_YES)
                r = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        return r;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status)
{
        const struct page page = {
                .kind = PAGE_REFUSED,
                .title = "Nothing to see here",
                .text = "This address waits for the end of a login, and for nothing else.",
        };
        char *html = page_render(&page);
        enum MHD_Result r;

        if (!html)
                return MHD_NO;
        r = respond(connection, status, html, NULL);
        free(html);
        return r;
}

/* Somebody who looks over the list of processes gets no further than this, and the person is told. */
static enum MHD_Result refuse_used(struct MHD_Connection *connection)
{
        const struct page page = {
                .kind = PAGE_REFUSED,
                .title = "This link was used already",
                .text = "It works once. If it was not you who opened it, end the login in the terminal, and "
                        "begin again.",
                .detail = "Otherwise open the address that the terminal shows.",
        };
        char *html = page_render(&page);
        enum MHD_Result r;

        if (!html)
                return MHD_NO;
        r = respond(connection, MHD_HTTP_GONE, html, NULL);
        free(html);
        return r;
}

/*
 * False when the request is for no door. What only the terminal shows may be known to a browser of another user than
 * this program's, as where root logs in.
 */
static bool try_doors(struct loopback *loopback, struct MHD_Connection *connection,
                      const struct loopback_request *said, enum MHD_Result *ret)
{
        for (size_t i = 0; i < loopback->n_doors; i++) {
                struct door *door = &loopback->doors[i];
                struct loopback_request request = *said;

                request.by_stranger = said->by_stranger && door->once;
                if (loopback_judge(&door->uri, &request) != 0)
                        continue;
                *ret = door->once && door->used ? refuse_used(connection)
                                                : respond(connection, MHD_HTTP_FOUND, "", door->leads_to);
                door->used = true;
                return true;
        }
        return false;
}

static void *on_request_line(void *data, const char *target, struct MHD_Connection *connection)
{
        struct request *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;
        request->loopback = data;
        if (secret_new_string(&request->target, target) < 0) {
                free(request);
                return NULL;
        }
        return request;
}

static bool is_by_stranger(struct MHD_Connection *connection, const struct loopback_uri *uri)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        struct sockaddr_in four = { .sin_family = AF_INET,
                                    .sin_port = htons(uri->port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                    .sin6_port = htons(uri->port),
                                    .sin6_addr = in6addr_loopback };

        if (!info || !info->client_addr)
                return false;
        return owner_is_stranger(info->client_addr, info->client_addr->sa_family == AF_INET
                                                            ? (const struct sockaddr *)&four
                                                            : (const struct sockaddr *)&six);
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **userdata)
{
        struct loopback *loopback = data;
        struct request *request = *userdata;
        struct loopback_request said;
        enum MHD_Result result;
        unsigned status;

        if (!request)
                return MHD_NO;
        if (loopback->held_request == request)
                return respond(connection, loopback->status, loopback->html, NULL);

        said = (struct loopback_request){
                .method = method,
                .target = secret_expose(request->target),
                .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
                .fetch_dest = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-Fetch-Dest"),
                .origin = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin"),
                .by_stranger = is_by_stranger(connection, &loopback->uri),
        };
        if (try_doors(loopback, connection, &said, &result))
                return result;
        status = loopback_judge(&loopback->uri, &said);
        if (status == 0 && loopback->held)
                status = MHD_HTTP_SERVICE_UNAVAILABLE;
        if (status != 0)
                return refuse(connection, status);

        loopback->held = connection;
        loopback->held_request = request;
        MHD_suspend_connection(connection);
        return MHD_YES;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **userdata,
                         enum MHD_RequestTerminationCode how)
{
        struct request *request = *userdata;
        struct loopback *loopback = data;

        if (!request)
                return;
        if (loopback->held_request == request) {
                loopback->held_request = NULL;
                loopback->held = NULL;
        }
        secret_free(request->target);
        free(request);
        *userdata = NULL;
}

/* The library writes what it has to say to standard error; all of it is about junk that came in. */
static void on_log(void *data, const char *format, va_list ap)
{
}

/* ---- sockets ---- */

static int bind_socket(int family, uint16_t port)
{
        struct sockaddr_in address4 = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        struct sockaddr_in6 address6 = {
                .sin6_family = AF_INET6,
                .sin6_port = htons(port),
                .sin6_addr = in6addr_loopback,
        };
        const struct sockaddr *address = family == AF_INET ? (void *)&address4 : (void *)&address6;
        socklen_t size = family == AF_INET ? sizeof(address4) : sizeof(address6);
        _cleanup_(closep) int fd = -1;
        int on = 1;

        fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* Connections of the last login that linger are no obstacle to the next one. */
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
            bind(fd, address, size) < 0 || listen(fd, CONNECTIONS_MAX) < 0)
                return -errno;
        return take_fd(&fd);
}

static int serve(struct loopback *loopback, int fd)
{
        const union MHD_DaemonInfo *info;
        struct MHD_Daemon *daemon;

        daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
                loopback, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                MHD_OPTION_URI_LOG_CALLBACK, on_request_line, loopback, MHD_OPTION_NOTIFY_COMPLETED,
                on_completed, loopback, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_SEC, MHD_OPTION_END);
        if (!daemon) {
                close(fd);
                return fault(-ENOMEM);
        }
        info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
        loopback->epoll_fds[loopback->n_daemons] = info->epoll_fd;
        loopback->daemons[loopback->n_daemons++] = daemon;
        return 0;
}

static int port_trouble(const struct loopback_uri *uri, int error, struct diag *diag)
{
        if (error == -EADDRINUSE)
                diag_set(diag, "port %u is in use on this machine, perhaps by another login", uri->port);
        else
                diag_set(diag, "port %u of %s may not be used: %s", uri->port, uri->host,
                         strerrordesc_np(-error));
        return LOOPBACK_E_PORT;
}

/* "localhost" is whatever the browser takes it for: both, where the machine has both. */
static int listen_on(struct loopback *loopback, struct diag *diag)
{
        static const int families[] = { AF_INET, AF_INET6 };
        const struct loopback_uri *uri = &loopback->uri;
        bool only4 = strcmp(uri->host, "127.0.0.1") == 0, only6 = strcmp(uri->host, "::1") == 0;
        int error = -EADDRNOTAVAIL;

        for (size_t i = 0; i < 2; i++) {
                int fd, r;

                if (families[i] == AF_INET ? only6 : only4)
                        continue;
                fd = bind_socket(families[i], uri->port);
                if (fd == -EADDRINUSE)
                        return port_trouble(uri, fd, diag);
                if (fd < 0) {
                        error = fd;
                        continue;
                }
                r = serve(loopback, fd);
                if (r < 0)
                        return r;
        }
        return loopback->n_daemons > 0 ? 0 : port_trouble(uri, error, diag);
}

int loopback_new(struct loopback **ret, const struct loopback_uri *uri, struct diag *diag)
{
        _cleanup_(loopback_freep) struct loopback *loopback = NULL;
        int r;

        loopback = calloc(1, sizeof(*loopback));
        if (!loopback)
                return fault(-ENOMEM);
        loopback->uri = *uri;
        r = listen_on(loopback, diag);
        if (r == 0)
                *ret = take_ptr(loopback);
        return r;
}

/* ---- short addresses ---- */

int loopback_lead(struct loopback *loopback, const char *url, bool once, const char **ret)
{
        static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* none that is taken for another */
        struct door *door = &loopback->doors[loopback->n_doors];
        unsigned char random[DOOR_KEY];

        if (loopback->n_doors == DOORS_MAX)
                return fault(-ENOBUFS);
        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                return fault(-EIO);
        *door = (struct door){ .uri = loopback->uri, .once = once };
        door->uri.path[0] = '/';
        for (size_t i = 0; i < DOOR_KEY; i++)
                door->uri.path[1 + i] = letters[random[i] % (sizeof(letters) - 1)];
        door->uri.path[1 + DOOR_KEY] = '\0';
        if (asprintf(&door->address, "http://%s%s", door->uri.authority, door->uri.path) < 0)
                return fault(-ENOMEM);
        door->leads_to = strdup(url);
        if (!door->leads_to) {
                free(door->address);
                return fault(-ENOMEM);
        }
        loopback->n_doors++;
        *ret = door->address;
        return 0;
}

/* ---- driving it ---- */

static void run_all(struct loopback *loopback)
{
        for (size_t i = 0; i < loopback->n_daemons; i++)
                (void)MHD_run(loopback->daemons[i]);
}

/* Until when the library can wait by itself. */
static uint64_t next_timeout(struct loopback *loopback, uint64_t deadline)
{
        uint64_t now = clock_boot_usec(&clock_system);

        for (size_t i = 0; i < loopback->n_daemons; i++) {
                MHD_UNSIGNED_LONG_LONG msec;

                if (MHD_get_timeout(loopback->daemons[i], &msec) == MHD_YES &&
                    usec_add(now, msec * USEC_PER_MSEC) < deadline)
                        deadline = usec_add(now, msec * USEC_PER_MSEC);
        }
        return deadline;
}

/* One turn. LOOPBACK_E_TIMEOUT, LOOPBACK_E_INTERRUPTED, faults. */
static int turn(struct loopback *loopback, int other_fd, uint64_t deadline)
{
        struct pollfd fds[LISTENERS_MAX + 1];
        uint64_t now = clock_boot_usec(&clock_system), until, msec;
        size_t n = 0;

        if (now >= deadline)
                return LOOPBACK_E_TIMEOUT;
        until = next_timeout(loopback, deadline);
        fds[n++] = (struct pollfd){ .fd = other_fd, .events = POLLIN };
        for (size_t i = 0; i < loopback->n_daemons; i++)
                fds[n++] = (struct pollfd){ .fd = loopback->epoll_fds[i], .events = POLLIN };

        msec = until > now ? (until - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC : 0;
        if (poll(fds, n, msec < INT_MAX ? (int)msec : INT_MAX) < 0 && errno != EINTR)
                return fault(-errno);
        run_all(loopback);
        return fds[0].revents ? LOOPBACK_E_INTERRUPTED : 0;
}

static int make_url(const struct loopback *loopback, struct secret **ret)
{
        _cleanup_(secret_buf_done) struct secret_buf url = SECRET_BUF_INIT(64 * 1024);
        int r;

        r = secret_buf_append_string(&url, "http://");
        if (r == 0)
                r = secret_buf_append_string(&url, loopback->uri.authority);
        if (r == 0)
                r = secret_buf_append_string(&url, secret_expose(loopback->held_request->target));
        return r == 0 ? secret_buf_take(&url, ret) : r;
}

int loopback_wait(struct loopback *loopback, int other_fd, uint64_t deadline, struct secret **ret_redirect)
{
        while (!loopback->held) {
                int r;

                r = turn(loopback, other_fd, deadline);
                if (r != 0 && !loopback->held)
                        return r;
        }
        return make_url(loopback, ret_redirect);
}

void loopback_answer(struct loopback *loopback, unsigned status, const char *html)
{
        uint64_t deadline = usec_add(clock_boot_usec(&clock_system), DELIVERY_USEC);

        if (!loopback->held)
                return;
        loopback->status = status;
        loopback->html = html;
        MHD_resume_connection(loopback->held);
        loopback->held = NULL;
        /* No descriptor tells of a resumed connection. */
        run_all(loopback);
        while (loopback->held_request && turn(loopback, -1, deadline) == 0)
                ;
        loopback->held_request = NULL;
}

/* A browser that still waits must be let go before its connection may end. */
struct loopback *loopback_free(struct loopback *loopback)
{
        if (!loopback)
                return NULL;
        if (loopback->held) {
                loopback->status = MHD_HTTP_SERVICE_UNAVAILABLE;
                loopback->html = "";
                MHD_resume_connection(loopback->held);
        }
        for (size_t i = 0; i < loopback->n_daemons; i++)
                MHD_stop_daemon(loopback->daemons[i]);
        for (size_t i = 0; i < loopback->n_doors; i++) {
                free(loopback->doors[i].address);
                free(loopback->doors[i].leads_to);
        }
        free(loopback);
        return NULL;
}
