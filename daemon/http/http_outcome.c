/* What came of a request: an answer, or words, and whether the provider may have acted. Knows nothing of what was asked for. */
#include "daemon/http/http_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define TRUST_WORDS "SSL certificate problem: "

/* A request counts as sent with its first byte; of a POST, as soon as curl may have sent that. */
static bool may_have_arrived(const struct http_transfer *transfer)
{
        long sent = 0;

        if (!transfer->easy)
                return false;
        if (transfer->request->post)
                return transfer->is_begun;
        return curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK || sent > 0;
}

static const char *words_for(CURLcode code)
{
        switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
                return "the host's name cannot be resolved";
        case CURLE_COULDNT_RESOLVE_PROXY:
                return "the proxy's name cannot be resolved";
        case CURLE_COULDNT_CONNECT:
                return "no connection";
        case CURLE_SSL_CONNECT_ERROR:
                return "the TLS handshake failed";
        case CURLE_PEER_FAILED_VERIFICATION:
                return "the server's certificate is for another host, or not trusted";
        case CURLE_SSL_CACERT_BADFILE:
                return "the CA file cannot be used";
        case CURLE_GOT_NOTHING:
                return "the connection was closed without an answer";
        case CURLE_PARTIAL_FILE:
                return "the answer was cut short";
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
                return "the connection broke";
        case CURLE_WEIRD_SERVER_REPLY:
                return "the answer is not HTTP";
        case CURLE_WRITE_ERROR:
                return "the answer is not usable";
        default:
                return curl_easy_strerror(code);
        }
}

static void describe(const struct http_transfer *transfer, CURLcode code, char *text, size_t size)
{
        long os_error = 0;

        if (transfer->broken) {
                snprintf(text, size, "%s", transfer->broken);
                return;
        }
        curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_error);
        if (code == CURLE_OPERATION_TIMEDOUT)
                snprintf(text, size, "%s in time",
                         may_have_arrived(transfer) ? "no answer" : "no connection");
        else if (code == CURLE_UNSUPPORTED_PROTOCOL)
                snprintf(text, size, "%s",
                         may_have_arrived(transfer) ? words_for(CURLE_WEIRD_SERVER_REPLY)
                                                    : "only https is spoken, and http to this machine");
        else if (code == CURLE_COULDNT_CONNECT && os_error != 0)
                snprintf(text, size, "no connection: %s", strerror((int)os_error));
        else if (strncmp(transfer->curl_words, TRUST_WORDS, strlen(TRUST_WORDS)) == 0)
                /* What follows is one of OpenSSL's own sentences; other words of curl's may quote the certificate. */
                snprintf(text, size, "%.150s", transfer->curl_words);
        else
                snprintf(text, size, "%s", words_for(code));
}

/* The value without the blanks around it; false when absent or when it does not fit. */
static bool header_value(const struct http_transfer *transfer, const char *name, char *value, size_t size)
{
        struct curl_header *header;

        if (curl_easy_header(transfer->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
                return false;
        return (size_t)snprintf(value, size, "%s", header->value) < size;
}

static void read_content_type(const struct http_transfer *transfer, struct http_response *response)
{
        char value[256];
        size_t n;

        if (!header_value(transfer, "Content-Type", value, sizeof(value)))
                return;
        n = strcspn(value, "; \t");
        if (n >= sizeof(response->content_type))
                return;
        for (size_t i = 0; i < n; i++)
                response->content_type[i] = (char)tolower((unsigned char)value[i]);
}

static void read_kept_header(const struct http_transfer *transfer, struct http_response *response)
{
        char value[sizeof(response->served_version)];

        if (!transfer->kept_header || !header_value(transfer, transfer->kept_header, value, sizeof(value)))
                return;
        for (const char *at = value; *at; at++)
                if (*at < ' ' || *at > '~')
                        return;
        memcpy(response->served_version, value, sizeof(value));
}

static void read_headers(const struct http_transfer *transfer, struct http_response *response)
{
        char value[64];

        if (header_value(transfer, "Date", value, sizeof(value)))
                response->date_sec = http_parse_date(value);
        if (header_value(transfer, "Retry-After", value, sizeof(value))) {
                int64_t now = response->date_sec;
                if (now < 0)
                        now = clock_wall_usec(transfer->http->clock) / (int64_t)USEC_PER_SEC;
                response->retry_after_sec = http_parse_retry_after(value, now);
        }
        read_content_type(transfer, response);
        read_kept_header(transfer, response);
}

void http_read_outcome(struct http_transfer *transfer, CURLcode code, struct http_response *response)
{
        *response = (struct http_response){ .date_sec = -1, .retry_after_sec = -1 };
        /* To curl an answer that ends within its head is one without a body. */
        if (code == CURLE_OK && !transfer->head_is_whole)
                code = transfer->header_lines > 0 ? CURLE_PARTIAL_FILE : CURLE_GOT_NOTHING;
        if (code == CURLE_OK &&
            curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &response->status) == CURLE_OK) {
                response->result = HTTP_ANSWERED;
                response->body = transfer->answer;
                transfer->answer = (struct secret_buf){ 0 };
                read_headers(transfer, response);
                return;
        }
        response->status = 0;
        response->result = may_have_arrived(transfer) ? HTTP_OUTCOME_UNKNOWN : HTTP_NOT_SENT;
        describe(transfer, code, response->problem, sizeof(response->problem));
}
