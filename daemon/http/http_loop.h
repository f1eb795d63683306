/*
 * curl's multi interface on the event loop: sockets and timers. Knows no request. For http.c alone, with which it is the
 * only user of curl.
 */
#pragma once

#include "common/cleanup.h"

#include <curl/curl.h>
#include <systemd/sd-event.h>

struct http_loop;

/* on_finished: from the loop, for a handle that was removed already and is its owner's again. */
int http_loop_new(struct http_loop **ret, sd_event *event,
                  void (*on_finished)(CURL *easy, CURLcode code, void *userdata), void *userdata);
struct http_loop *http_loop_free(struct http_loop *loop); /* every handle must have been removed */
DEFINE_FREEP(struct http_loop *, http_loop_free)

int http_loop_add(struct http_loop *loop, CURL *easy);
void http_loop_remove(struct http_loop *loop, CURL *easy); /* nothing when it is not in */
