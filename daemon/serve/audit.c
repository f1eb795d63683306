/* Lines about callers, rationed by user. Decides nothing. */
#include "daemon/serve/audit.h"

#include "daemon/config/config.h"
#include "daemon/vault/credential.h"
#include "daemon/base/events.h"
#include "daemon/base/log.h"

#include <inttypes.h>
#include <stdio.h>

static void tell_suppressed(struct audit_user *user)
{
        uint64_t n = rate_take_suppressed(&user->rate);

        if (n > 0)
                log_notice("%" PRIu64 " further lines about calls of user %u were left out.", n,
                           (unsigned)user->uid);
}

static void on_summary(void *userdata)
{
        struct audit *audit = userdata;

        for (size_t i = 0; i < AUDIT_USERS; i++)
                tell_suppressed(&audit->users[i]);
}

void audit_init(struct audit *audit, struct clock *clock, struct timers *timers)
{
        *audit = (struct audit){ .clock = clock, .timers = timers };
        timer_init(&audit->summary, on_summary, audit);
}

void audit_done(struct audit *audit)
{
        if (!audit->timers)
                return;
        on_summary(audit);
        timer_stop(audit->timers, &audit->summary);
        audit->timers = NULL;
}

static struct audit_user *find_user(struct audit *audit, uid_t uid)
{
        struct audit_user *oldest = &audit->users[0];

        for (size_t i = 0; i < AUDIT_USERS; i++) {
                struct audit_user *user = &audit->users[i];

                if (user->used_usec > 0 && user->uid == uid)
                        return user;
                if (user->used_usec < oldest->used_usec)
                        oldest = user;
        }

        tell_suppressed(oldest);
        *oldest = (struct audit_user){ .uid = uid };
        return oldest;
}

static bool may_write(struct audit *audit, uid_t uid)
{
        uint64_t now_usec = clock_boot_usec(audit->clock);
        struct audit_user *user = find_user(audit, uid);

        user->used_usec = now_usec > 0 ? now_usec : 1;
        if (rate_take(&user->rate, now_usec, AUDIT_BURST, AUDIT_EVERY_SEC * USEC_PER_SEC))
                return true;
        /* Without memory for the timer, the count is told at the end. */
        if (!timer_is_armed(&audit->summary))
                (void)timer_set(audit->timers, &audit->summary,
                                usec_add(now_usec, AUDIT_SUMMARY_SEC * USEC_PER_SEC));
        return false;
}

static const char *unit_of(const struct peer *peer)
{
        return peer->unit ? peer->unit : peer->user_unit;
}

static struct log_event peer_event(const struct peer *peer, const char *message_id, enum log_level level)
{
        return (struct log_event){
                .message_id = message_id,
                .level = level,
                .peer_pid = peer->pid,
                .peer_uid = (long)peer->uid,
                .peer_unit = unit_of(peer),
        };
}

void audit_granted(struct audit *audit, struct peer *peer, const struct credential *credential)
{
        struct log_event event;

        if (!may_write(audit, peer->uid))
                return;
        peer_find_unit(peer);
        event = peer_event(peer, EVENT_ACCESS_GRANTED, LOG_LEVEL_INFO);
        event.credential = credential->name;
        event.client = credential->client_name;
        event.generation = credential->grant.generation;
        log_event(&event, "%s: generation %" PRIu64 " is in use by process %d of user %u%s%s.",
                  credential->name, credential->grant.generation, (int)peer->pid, (unsigned)peer->uid,
                  event.peer_unit ? ", unit " : "", event.peer_unit ? event.peer_unit : "");
}

void audit_denied(struct audit *audit, struct peer *peer, const char *method, const char *name)
{
        struct log_event event;

        if (!may_write(audit, peer->uid))
                return;
        peer_find_unit(peer);
        event = peer_event(peer, EVENT_ACCESS_DENIED, LOG_LEVEL_NOTICE);
        /* What is no name may be anything, even a token that went astray. */
        if (name && !name_is_valid(name))
                name = "(not a name)";
        event.credential = name;
        event.reason = method;
        log_event(&event, "Denied: %s%s%s, asked by process %d of user %u%s%s.", method, name ? " of " : "",
                  name ? name : "", (int)peer->pid, (unsigned)peer->uid, event.peer_unit ? ", unit " : "",
                  event.peer_unit ? event.peer_unit : "");
}

void audit_webhook(struct peer *peer, const char *client, const char *why, uint64_t n_untold)
{
        struct log_event event;
        char before[64] = "";

        peer_find_unit(peer);
        event = peer_event(peer, EVENT_WEBHOOK_REFUSED, LOG_LEVEL_WARNING);
        event.client = client;
        event.reason = why;
        if (n_untold > 0)
                snprintf(before, sizeof(before), " %" PRIu64 " more were not told.", n_untold);
        log_event(&event, "Client '%s': a webhook was refused: %s. Process %d of user %u%s%s brought it.%s",
                  client, why, (int)peer->pid, (unsigned)peer->uid, event.peer_unit ? ", unit " : "",
                  event.peer_unit ? event.peer_unit : "", before);
}

void audit_complain(struct audit *audit, const struct peer *peer, const char *what)
{
        struct log_event event;

        if (!may_write(audit, peer->uid))
                return;
        event = peer_event(peer, NULL, LOG_LEVEL_NOTICE);
        log_event(&event, "Process %d of user %u: %s.", (int)peer->pid, (unsigned)peer->uid, what);
}
