/* io.purser.Admin.Metrics: the figures gathered. */
#include "daemon/method/method_internal.h"

struct counting {
        struct metrics_clients *clients;
        struct metrics_credentials *credentials; /* NULL: nobody asked for them */
        uint64_t boot_now;
};

static int count_one(struct credential *credential, void *userdata)
{
        struct counting *counting = userdata;
        int r;

        r = metrics_clients_count(counting->clients, credential, counting->boot_now);
        if (r == 0 && counting->credentials)
                r = metrics_credentials_add(counting->credentials, credential);
        return r;
}

static int answer(struct service *service, struct call *call, const struct counting *counting)
{
        const struct context *context = service->parts.context;
        _cleanup_(freep) char *text = NULL;
        struct server_stats server = { 0 };
        struct refresh_stats refresh;
        struct secret_stats secrets;
        int r;

        if (service->server)
                server_get_stats(service->server, &server);
        refresher_get_stats(service->parts.refresher, &refresh);
        secret_get_stats(&secrets);

        r = metrics_format(
                &(struct metrics_input){
                        .version = service->parts.facts.version,
                        .started_at = service->parts.facts.started_at,
                        .metrics = &service->metrics,
                        .clients = counting->clients,
                        .credentials = counting->credentials,
                        .server = &server,
                        .refresh = &refresh,
                        .secrets = &secrets,
                        .unsaved = vault_unsaved(context->vault),
                        .store_works = !vault_store_problem(context->vault),
                },
                &text);
        return r < 0 ? r : reply_values(call, json_pack("{s:s}", "text", text));
}

int method_metrics(struct service *service, struct call *call)
{
        struct {
                struct optional_int credentials;
        } args;
        static const struct argument arguments[] = {
                { "credentials", ARGUMENT_INT, false, offsetof(__typeof__(args), credentials) },
        };
        const struct context *context = service->parts.context;
        _cleanup_(metrics_clients_freep) struct metrics_clients *clients = NULL;
        _cleanup_(metrics_credentials_freep) struct metrics_credentials *credentials = NULL;
        uint64_t boot_now = context_now(context);
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        if (args.credentials.value < 0 || args.credentials.value > METRICS_MOST_CREDENTIALS)
                return reply_invalid(call, "credentials", "It must be 0 to 2000.");
        r = await_all(service, call, method_metrics);
        if (r == 0)
                r = metrics_clients_new(&clients);
        if (r == 0 && args.credentials.value > 0)
                r = metrics_credentials_new(&credentials, (size_t)args.credentials.value, boot_now);
        if (r != 0)
                return r < 0 ? r : 0;

        struct counting counting = { clients, credentials, boot_now };
        r = vault_each(context->vault, true, count_one, &counting);
        return r < 0 ? r : answer(service, call, &counting);
}
