/*
 * io.purser.Admin.Metrics: the figures gathered. Credentials are counted some at a time, and the text is made in parts, so that nobody else
 * waits for a scrape: of each credential it tells the moment at which it was counted, of everything else the end of the counting.
 */
#include "daemon/method/method_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { STEP_COUNTED = 1024 };

struct counting {
        struct service *service;
        struct metrics_clients *clients;
        struct metrics_credentials *credentials; /* NULL: nobody asked for them */
        uint64_t boot_now;
        struct vault_cursor cursor;

        unsigned part; /* of the text, that is next */
        struct metrics_input input;
        struct server_stats server;
        struct refresh_stats refresh;
        struct secret_stats secrets;
        struct secret_buf message; /* as far as it is made */
};

struct counting *counting_free(struct counting *counting)
{
        if (!counting)
                return NULL;
        metrics_clients_free(counting->clients);
        metrics_credentials_free(counting->credentials);
        secret_buf_done(&counting->message);
        free(counting);
        return NULL;
}

static int counting_new(struct counting **ret, struct service *service, size_t most)
{
        _cleanup_(counting_freep) struct counting *counting = malloc(sizeof(*counting));
        int r;

        if (!counting)
                return fault(-ENOMEM);
        *counting = (struct counting){
                .service = service,
                .boot_now = context_now(service->parts.context),
                .message = SECRET_BUF_INIT(2 * WIRE_MESSAGE_MAX),
        };
        r = metrics_clients_new(&counting->clients);
        if (r == 0 && most > 0)
                r = metrics_credentials_new(&counting->credentials, most, counting->boot_now);
        if (r < 0)
                return r;
        *ret = take_ptr(counting);
        return 0;
}

static int count_one(struct credential *credential, void *userdata)
{
        struct counting *counting = userdata;
        int r;

        r = metrics_clients_count(counting->clients, credential, counting->boot_now);
        if (r == 0 && counting->credentials)
                r = metrics_credentials_add(counting->credentials, credential);
        return r;
}

static int begin_text(struct counting *counting, bool waits)
{
        struct service *service = counting->service;
        struct vault *vault = service->parts.context->vault;

        if (service->server)
                server_get_stats(service->server, &counting->server);
        if (waits && counting->server.waiting > 0)
                counting->server.waiting--; /* for this very call */
        refresher_get_stats(service->parts.refresher, &counting->refresh);
        secret_get_stats(&counting->secrets);
        counting->input = (struct metrics_input){
                .version = service->parts.facts.version,
                .started_at = service->parts.facts.started_at,
                .metrics = &service->metrics,
                .clients = counting->clients,
                .credentials = counting->credentials,
                .server = &counting->server,
                .refresh = &counting->refresh,
                .secrets = &counting->secrets,
                .unsaved = vault_unsaved(vault),
                .store_works = !vault_store_problem(vault),
        };
        return secret_buf_append_string(&counting->message, "{\"parameters\":{\"text\":\"");
}

static int put_part(struct counting *counting)
{
        _cleanup_(freep) char *text = NULL;
        bool more;
        size_t n;
        int r;

        r = metrics_format_part(&counting->input, counting->part++, &text, &n, &more);
        if (r == 0)
                r = wire_append_text(&counting->message, text, n);
        if (r == 0 && more)
                return METHOD_E_MORE;
        return r == 0 ? secret_buf_append_string(&counting->message, "\"}}") : r;
}

static int metrics_step(struct pending *pending)
{
        struct counting *counting = pending->counting;
        int r = 0;

        if (!counting->cursor.at_end) {
                r = vault_walk(counting->service->parts.context->vault, &counting->cursor, STEP_COUNTED,
                               count_one, counting);
                if (r == 0 && !counting->cursor.at_end)
                        return METHOD_E_MORE;
                if (r == 0)
                        r = begin_text(counting, !pending->starting);
        }
        if (r == 0)
                r = put_part(counting);
        if (r != 0)
                return r;
        call_send(pending->call, counting->message.data, counting->message.n, false);
        pending_end(pending);
        return 0;
}

int method_metrics(struct service *service, struct call *call)
{
        struct {
                struct optional_int credentials;
        } args;
        static const struct argument arguments[] = {
                { "credentials", ARGUMENT_INT, false, offsetof(__typeof__(args), credentials) },
        };
        _cleanup_(counting_freep) struct counting *counting = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        if (args.credentials.value < 0 || args.credentials.value > METRICS_MOST_CREDENTIALS)
                return reply_invalid(call, "credentials", "It must be 0 to 2000.");
        r = await_all(service, call);
        if (r == 0)
                r = counting_new(&counting, service, (size_t)args.credentials.value);
        if (r == 0)
                r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r != 0)
                return r < 0 ? r : 0;
        pending->counting = take_ptr(counting);
        return work_start(pending, metrics_step);
}
