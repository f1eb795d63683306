/* io.purser.Tokens: GetToken, which is what the daemon is there for, and ListCredentials. */
#include "daemon/method/method_internal.h"

#include "common/wire_brief.h"

#include <errno.h>

#define GET_TOKEN "io.purser.Tokens.GetToken"

static int answer_token(struct service *service, struct call *call, struct credential *credential,
                        const struct token_answer *answer)
{
        /* One look at the clock for the histogram and for the bundle. */
        uint64_t now = context_now(service->parts.context);

        histogram_add(&service->metrics.get_token, now - call->began_usec);
        if (answer->verdict != TOKEN_READY)
                return reply_no_token(service, call, credential->name, answer);
        return reply_bundle(service, call, credential, now, answer->short_lived, false);
}

static void on_answer(const struct token_answer *answer, void *userdata)
{
        struct pending *pending = userdata;
        int r;

        r = answer_token(pending->service, pending->call, pending->credential, answer);
        if (r < 0)
                call_fail(pending->call, r);
        pending_end(pending);
}

static int ask(struct service *service, struct call *call, struct credential *credential,
               const struct token_demand *demand)
{
        struct token_answer answer;
        struct pending *pending;
        int r;

        r = pending_begin(service, call, PENDING_TOKEN, credential, NULL, &pending);
        if (r < 0)
                return r;
        r = refresher_ask(service->parts.refresher, credential, demand, on_answer, pending, &answer,
                          &pending->waiter);
        if (r == 0)
                on_answer(&answer, pending);
        return pending_started(pending, r);
}

int method_get_token(struct service *service, struct call *call)
{
        struct {
                const char *credential, *rejected;
                struct optional_int min_valid_seconds;
        } args;
        static const struct argument arguments[] = {
                { "credential", ARGUMENT_STRING, true, offsetof(__typeof__(args), credential) },
                { "min_valid_seconds", ARGUMENT_INT, false, offsetof(__typeof__(args), min_valid_seconds) },
                { "rejected", ARGUMENT_STRING, false, offsetof(__typeof__(args), rejected) },
        };
        struct credential *credential;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r != 0)
                return r < 0 ? r : 0;
        if (args.min_valid_seconds.value < 0)
                return reply_invalid(call, "min_valid_seconds", "It must not be negative.");
        r = find_for_caller(service, call, args.credential, &credential);
        if (r != 0)
                return r < 0 ? r : 0;

        return ask(service, call, credential,
                   &(struct token_demand){
                           .min_valid_given = args.min_valid_seconds.given,
                           .min_valid_sec = args.min_valid_seconds.value,
                           .rejected = args.rejected,
                   });
}

/* False: what it asks for is for the other reader to say. */
static bool read_parameters(const struct wire_brief *call, struct brief *ret)
{
        bool has_name = false;

        for (size_t i = 0; i < call->n_parameters; i++) {
                const struct wire_brief_parameter *parameter = &call->parameters[i];

                if (parameter->is_string && wire_slice_is(&parameter->name, "credential")) {
                        ret->name = parameter->string.bytes;
                        ret->n_name = parameter->string.n;
                        has_name = true;
                } else if (!parameter->is_string && wire_slice_is(&parameter->name, "min_valid_seconds") &&
                           parameter->integer >= 0 && parameter->integer <= CREDENTIAL_MOST_MIN_VALID_SEC) {
                        ret->min_valid_given = true;
                        ret->min_valid_sec = parameter->integer;
                } else {
                        return false;
                }
        }
        return has_name;
}

bool brief_read(const struct service *service, struct brief *brief)
{
        static const struct wire_form usual =
                WIRE_FORM("{\"method\":\"" GET_TOKEN "\",\"parameters\":{\"credential\":\"", "\"}}");
        struct wire_brief call;
        struct wire_slice name;

        brief->min_valid_given = false;
        if (wire_read_form(brief->bytes, brief->n, &usual, &name)) {
                brief->name = name.bytes;
                brief->n_name = name.n;
        } else if (!wire_read_brief(brief->bytes, brief->n, &call) ||
                   !wire_slice_is(&call.method, GET_TOKEN) || !read_parameters(&call, brief)) {
                return false;
        }
        brief->hash = vault_expect(service->parts.context->vault, brief->name, brief->n_name);
        return true;
}

void brief_expect(struct service *service, const struct brief *const *briefs, size_t n)
{
        const struct vault *vault = service->parts.context->vault;
        const struct credential *credential;

        /* One look at the clock for all of them. */
        service->expected_usec = context_now(service->parts.context);
        if (n < 2)
                return;
        for (size_t i = 0; i < n; i++)
                if ((credential = vault_guess(vault, briefs[i]->hash)))
                        credential_prefetch(credential);
        for (size_t i = 0; i < n; i++)
                if ((credential = vault_guess(vault, briefs[i]->hash)))
                        credential_prefetch_token(credential);
}

bool brief_get_token(struct service *service, struct call *call, const struct brief *brief,
                     const struct secret_buf **ret_answer)
{
        const struct token_demand demand = { .min_valid_given = brief->min_valid_given,
                                             .min_valid_sec = brief->min_valid_sec };
        uint64_t now = service->expected_usec;
        struct credential *credential;
        const struct bundle *bundle;

        credential =
                vault_find_expected(service->parts.context->vault, brief->hash, brief->name, brief->n_name);
        if (!credential || !call_may_use(service, call, credential) ||
            !credential_satisfies(credential, &demand, now) ||
            serve_bundle(service, credential, now, &bundle) < 0)
                return false;

        histogram_add(&service->metrics.get_token, now - call->began_usec);
        tell_use(service, call, credential);
        *ret_answer = &bundle->message;
        return true;
}

static int list_step(struct pending *pending)
{
        int r = paging_step(pending->paging);

        if (r == 0)
                r = paging_send(pending->paging, false);
        if (r < 0 || r == METHOD_E_MORE)
                return r;
        pending_end(pending);
        return 0;
}

int method_list_credentials(struct service *service, struct call *call)
{
        struct {
                struct page page;
        } args;
        static const struct argument arguments[] = { PAGE_ARGUMENTS(__typeof__(args), page) };
        _cleanup_(paging_freep) struct paging *paging = NULL;
        struct pending *pending;
        int r;

        r = READ_ARGUMENTS(call, arguments, &args);
        if (r == 0)
                r = await_all(service, call);
        if (r == 0)
                r = paging_new(&paging, service, call, &args.page, NULL, status_credential);
        if (r == 0)
                r = pending_begin(service, call, PENDING_OTHER, NULL, NULL, &pending);
        if (r != 0)
                return r < 0 ? r : 0;
        pending->paging = take_ptr(paging);
        return work_start(pending, list_step);
}
