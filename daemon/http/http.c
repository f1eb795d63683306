/*
 * HTTP requests, each an easy handle of curl's that its transfer owns. Knows nothing of what is asked for or answered.
 *
 * curl sends a request again, silently and on a new connection, when a kept connection dies before the first byte of an
 * answer (RFC 9112 section 9.3.1 allows that for idempotent methods only). The refresh token that a POST carries may have
 * been redeemed by then: sent twice, it is an attack in the provider's eyes (RFC 9700 section 4.14.2), and the new tokens
 * are lost. So curl asks before it begins to send (CURLOPT_PREREQFUNCTION), each time, and a POST is allowed to once. A new
 * connection for every request (CURLOPT_FRESH_CONNECT) would do as well, for one TLS handshake each; a body that curl reads
 * through a callback, which can refuse to rewind, would leave in a record and a segment of its own, and they are a tenth of
 * what a refresh costs. Connections idle for long are not used again, so that the case stays rare.
 *
 * The same question tells HTTP_NOT_SENT from HTTP_OUTCOME_UNKNOWN: nobody can act on a request that was not begun.
 *
 * HTTP/1.1 alone is spoken: the library that curl has for HTTP/2 keeps copies of headers, Authorization among them, in
 * memory that nobody wipes, and a few requests an hour gain nothing by it.
 */
#include "daemon/http/http_internal.h"

#include "common/fault.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef PURSER_VERSION
#define PURSER_VERSION "unknown"
#endif

enum {
        IDLE_MAX_SEC = 20, /* below the 30 s and more for which servers and balancers keep idle connections */
        HEADER_BYTES_MAX = 64 * 1024,
        HEADER_LINES_MAX = 256,
        HEADER_LINE_MAX = 32 * 1024, /* one that we send */
        EXTENSIONS_MAX = 10, /* of a deadline at which something lies unread */
        EXTENSION_USEC = 50000,
        UPLOAD_BUFFER_SIZE = 16384, /* curl's smallest: it is made, and wiped, for each request */
};

/* -- what curl takes and gives -------------------------------------------------------------------------------------- */

/* See the head of this file. */
static int begin_once(void *userdata, char *peer, char *local, int peer_port, int local_port)
{
        struct http_transfer *transfer = userdata;

        if (transfer->is_begun) {
                transfer->broken = "the connection broke";
                return CURL_PREREQFUNC_ABORT;
        }
        transfer->is_begun = true;
        return CURL_PREREQFUNC_OK;
}

static size_t take_answer(char *bytes, size_t size, size_t n, void *userdata)
{
        struct http_transfer *transfer = userdata;
        int r = secret_buf_append(&transfer->answer, bytes, size * n);

        if (r == 0)
                return size * n;
        transfer->broken =
                r == -EMSGSIZE ? "the answer is longer than 1 MiB" : "there is no memory for the answer";
        return size * n + 1;
}

static size_t count_header(char *bytes, size_t size, size_t n, void *userdata)
{
        struct http_transfer *transfer = userdata;

        transfer->header_bytes += size * n;
        transfer->header_lines++;
        /* Interim answers have a head of their own; trailers come as headers, too, and change nothing. */
        if (n >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
                transfer->head_is_whole = false;
        else if (*bytes == '\r' || *bytes == '\n')
                transfer->head_is_whole = true;
        if (transfer->header_bytes <= HEADER_BYTES_MAX && transfer->header_lines <= HEADER_LINES_MAX)
                return size * n;
        transfer->broken = "the answer has too many headers";
        return size * n + 1;
}

/* -- the end ----------------------------------------------------------------------------------------------------------- */

static void finish(struct http_transfer *transfer, CURLcode code)
{
        struct http_response response;

        transfer->deadline = sd_event_source_disable_unref(transfer->deadline);
        http_read_outcome(transfer, code, &response);
        /* The transfer, and with it every pointer into it, may be gone after this. */
        transfer->on_done(&response, transfer->userdata);
        http_response_done(&response);
}

static void on_finished(CURL *easy, CURLcode code, void *userdata)
{
        struct http_transfer *transfer = NULL;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
        finish(transfer, code);
}

/* What lies at the socket is read at one of the next turns of the loop. */
static bool has_something_to_read(const struct http_transfer *transfer)
{
        struct pollfd socket = { .fd = -1, .events = POLLIN };

        return curl_easy_getinfo(transfer->easy, CURLINFO_ACTIVESOCKET, &socket.fd) == CURLE_OK &&
               socket.fd >= 0 && poll(&socket, 1, 0) == 1;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct http_transfer *transfer = userdata;

        if (!transfer->easy) {
                finish(transfer, CURLE_FAILED_INIT);
                return 0;
        }
        /* An answer that is here is read before its time is found to be over; one that comes in drops is not waited for. */
        if (transfer->n_extensions < EXTENSIONS_MAX && has_something_to_read(transfer)) {
                transfer->n_extensions++;
                sd_event_source_set_time_relative(source, EXTENSION_USEC);
                sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
                return 0;
        }
        http_loop_remove(transfer->http->loop, transfer->easy);
        finish(transfer, CURLE_OPERATION_TIMEDOUT);
        return 0;
}

/*
 * Ours and not curl's: curl looks at the time before it looks at the socket, and so would throw away an answer that came
 * while the machine slept or the process stood still, new refresh token and all; and where memory runs out in its midst,
 * curl may forget a transfer. Boot time goes on during suspend.
 */
static int set_deadline(struct http_transfer *transfer, uint64_t timeout_usec)
{
        int r = sd_event_add_time_relative(transfer->http->event, &transfer->deadline, CLOCK_BOOTTIME,
                                           timeout_usec, USEC_PER_MSEC, on_deadline, transfer);

        return r < 0 ? fault(r) : 0;
}

/* -- starting ------------------------------------------------------------------------------------------------------- */

int http_new(struct http **ret, void *event, struct clock *clock)
{
        _cleanup_(http_freep) struct http *http = calloc(1, sizeof(*http));
        if (!http)
                return fault(-ENOMEM);
        http->event = event;
        http->clock = clock;
        int r = http_loop_new(&http->loop, event, on_finished, http);
        if (r < 0)
                return r;
        *ret = take_ptr(http);
        return 0;
}

struct http *http_free(struct http *http)
{
        if (!http)
                return NULL;
        assert(http->n_transfers == 0);
        http_loop_free(http->loop);
        free(http);
        return NULL;
}

/* As when the configuration was read (RFC 6761 section 6.3 for the name); curl has written the host in its usual form. */
static bool host_is_loopback(const char *host)
{
        struct in_addr in;

        if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
                return true;
        return inet_pton(AF_INET, host, &in) == 1 && ntohl(in.s_addr) >> 24 == IN_LOOPBACKNET;
}

static int url_is_loopback(const char *url, bool *ret)
{
        char *host = NULL;
        CURLU *parsed = curl_url();

        if (!parsed)
                return fault(-ENOMEM);
        *ret = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
               curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK && host_is_loopback(host);
        curl_free(host);
        curl_url_cleanup(parsed);
        return 0;
}

static int add_header_line(struct http_transfer *transfer, const char *name, const char *value)
{
        _cleanup_(secret_buf_done) struct secret_buf line = SECRET_BUF_INIT(HEADER_LINE_MAX);
        int r = secret_buf_append_string(&line, name);

        if (r == 0)
                r = secret_buf_append_string(&line, value[0] ? ": " : ";");
        if (r == 0)
                r = secret_buf_append_string(&line, value);
        if (r < 0)
                return r;
        struct curl_slist *list = curl_slist_append(transfer->headers, line.data);
        if (!list)
                return fault(-ENOMEM);
        transfer->headers = list;
        return 0;
}

static int add_headers(struct http_transfer *transfer)
{
        const struct http_request *request = transfer->request;
        struct curl_slist *list;
        bool has_accept = false;
        int r = 0;

        for (size_t i = 0; i < request->n_headers && r == 0; i++) {
                has_accept = has_accept || strcasecmp(request->headers[i].name, "Accept") == 0;
                r = add_header_line(transfer, request->headers[i].name,
                                    secret_expose(request->headers[i].value));
        }
        if (r == 0 && !has_accept)
                r = add_header_line(transfer, "Accept", "application/json");
        if (r < 0)
                return r;
        /* A server that does not know it would cost a second's waiting. */
        list = curl_slist_append(transfer->headers, "Expect:");
        if (!list)
                return fault(-ENOMEM);
        transfer->headers = list;
        return 0;
}

#define SET(transfer, option, value) (curl_easy_setopt((transfer)->easy, (option), (value)) == CURLE_OK)

static bool set_target(struct http_transfer *transfer, bool loopback)
{
        const struct http_request *request = transfer->request;

        return SET(transfer, CURLOPT_URL, request->url) &&
               SET(transfer, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
               SET(transfer, CURLOPT_PROTOCOLS_STR, loopback ? "http,https" : "https") &&
               SET(transfer, CURLOPT_FOLLOWLOCATION, 0L) &&
               SET(transfer, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
               SET(transfer, CURLOPT_HTTPHEADER, transfer->headers) &&
               SET(transfer, CURLOPT_USERAGENT, "purser/" PURSER_VERSION) &&
               SET(transfer, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
               /* A proxy is the network's, not this machine's. */
               (!loopback || SET(transfer, CURLOPT_PROXY, ""));
}

static bool set_tls(struct http_transfer *transfer)
{
        const char *ca_file = transfer->request->ca_file;

        return SET(transfer, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
               SET(transfer, CURLOPT_SSL_VERIFYPEER, 1L) && SET(transfer, CURLOPT_SSL_VERIFYHOST, 2L) &&
               /* A private CA stands for itself: whoever names one wants no other to vouch for that provider. */
               (!ca_file || (SET(transfer, CURLOPT_CAINFO, ca_file) && SET(transfer, CURLOPT_CAPATH, NULL)));
}

static bool set_limits(struct http_transfer *transfer, uint64_t timeout_usec)
{
        uint64_t ms = usec_add(timeout_usec, USEC_PER_MSEC - 1) / USEC_PER_MSEC;
        long timeout_ms = ms > INT32_MAX ? INT32_MAX : ms > 0 ? (long)ms : 1;

        return SET(transfer, CURLOPT_NOSIGNAL, 1L) && SET(transfer, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) &&
               SET(transfer, CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_SEC) &&
               SET(transfer, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_SIZE) &&
               /* Else cancelling waits for the resolver's thread, and the whole loop with it. */
               SET(transfer, CURLOPT_QUICK_EXIT, 1L);
}

static bool set_body(struct http_transfer *transfer)
{
        const struct http_request *request = transfer->request;

        if (!request->post)
                return SET(transfer, CURLOPT_HTTPGET, 1L) &&
                       (!request->method || SET(transfer, CURLOPT_CUSTOMREQUEST, request->method));
        return (!request->method || SET(transfer, CURLOPT_CUSTOMREQUEST, request->method)) &&
               SET(transfer, CURLOPT_POST, 1L) &&
               SET(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)secret_size(request->body)) &&
               /* It is not copied: the request stays for as long as curl's handle. */
               SET(transfer, CURLOPT_POSTFIELDS, secret_expose(request->body)) &&
               SET(transfer, CURLOPT_PREREQFUNCTION, begin_once) &&
               SET(transfer, CURLOPT_PREREQDATA, transfer);
}

static bool set_callbacks(struct http_transfer *transfer)
{
        return SET(transfer, CURLOPT_WRITEFUNCTION, take_answer) &&
               SET(transfer, CURLOPT_WRITEDATA, transfer) &&
               SET(transfer, CURLOPT_HEADERFUNCTION, count_header) &&
               SET(transfer, CURLOPT_HEADERDATA, transfer) &&
               SET(transfer, CURLOPT_ERRORBUFFER, transfer->curl_words) &&
               SET(transfer, CURLOPT_PRIVATE, transfer);
}

/* Its words come from the loop, as those of every request. */
static int end_unsent(struct http_transfer *transfer, const struct diag *diag)
{
        (void)snprintf(transfer->curl_words, sizeof(transfer->curl_words), "%.*s",
                       (int)sizeof(transfer->curl_words) - 1, diag->text);
        transfer->broken = transfer->curl_words;
        return set_deadline(transfer, 0);
}

static int set_up(struct http_transfer *transfer, uint64_t timeout_usec)
{
        bool loopback = false;
        int r = url_is_loopback(transfer->request->url, &loopback);

        if (r < 0)
                return r;
        r = add_headers(transfer);
        if (r < 0)
                return r;
        transfer->easy = curl_easy_init();
        if (!transfer->easy)
                return fault(-ENOMEM);
        if (!set_target(transfer, loopback) || !set_tls(transfer) || !set_limits(transfer, timeout_usec) ||
            !set_body(transfer) || !set_callbacks(transfer))
                return fault(-ENOMEM);
        return 0;
}

int http_start(struct http *http, struct http_request *request, const char *kept_header,
               uint64_t timeout_usec, void (*on_done)(const struct http_response *response, void *userdata),
               void *userdata, struct http_transfer **ret)
{
        _cleanup_(http_request_freep) struct http_request *taken = request;
        struct http_transfer *transfer = calloc(1, sizeof(*transfer));

        if (!transfer)
                return fault(-ENOMEM);
        *transfer = (struct http_transfer){
                .http = http,
                .request = take_ptr(taken),
                .answer = SECRET_BUF_INIT(HTTP_BODY_MAX),
                .on_done = on_done,
                .userdata = userdata,
        };
        http->n_transfers++;
        _cleanup_(http_transfer_freep) struct http_transfer *starting = transfer;
        if (transfer->request->post && !transfer->request->body)
                return fault(-EINVAL);
        if (kept_header && !(transfer->kept_header = strdup(kept_header)))
                return fault(-ENOMEM);
        struct diag diag = DIAG_INIT;
        int r = http_join(&diag);
        if (r == 0)
                r = set_up(transfer, timeout_usec);
        if (r == 0)
                r = set_deadline(transfer, timeout_usec);
        if (r == 0)
                r = http_loop_add(http->loop, transfer->easy);
        else if (r == HTTP_E_NO_LIBRARY)
                r = end_unsent(transfer, &diag);
        if (r < 0)
                return r;
        *ret = take_ptr(starting);
        return 0;
}

struct http_transfer *http_transfer_free(struct http_transfer *transfer)
{
        if (!transfer)
                return NULL;
        if (transfer->easy) {
                http_loop_remove(transfer->http->loop, transfer->easy);
                curl_easy_cleanup(transfer->easy);
        }
        transfer->http->n_transfers--;
        sd_event_source_disable_unref(transfer->deadline);
        if (transfer->headers)
                curl_slist_free_all(transfer->headers);
        http_request_free(transfer->request);
        secret_buf_done(&transfer->answer);
        free(transfer->kept_header);
        free(transfer);
        return NULL;
}
