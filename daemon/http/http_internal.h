/* What http.c shares with http_outcome.c: a request under way. */
#pragma once

#include "daemon/http/http.h"
#include "daemon/http/http_loop.h"

struct http {
        sd_event *event; /* the loop's reference */
        struct clock *clock;
        struct http_loop *loop;
        unsigned n_transfers;
};

struct http_transfer {
        struct http *http;
        CURL *easy; /* NULL: curl is not there */
        sd_event_source *deadline;
        unsigned n_extensions; /* how often it was put off */
        struct http_request *request;
        struct curl_slist *headers;
        char *kept_header;
        void (*on_done)(const struct http_response *response, void *userdata);
        void *userdata;
        bool is_begun; /* of a POST: curl was allowed to send it */
        struct secret_buf answer;
        size_t header_bytes, header_lines;
        bool head_is_whole;
        const char *broken; /* why we ended the transfer ourselves */
        char curl_words[CURL_ERROR_SIZE];
};

/* What came of it: response is filled in, and owns the body. */
void http_read_outcome(struct http_transfer *transfer, CURLcode code, struct http_response *response);
