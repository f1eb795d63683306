/* The rules of `allow` and `admins`. Knows no credential by name and no process beyond what struct peer tells. */
#include "daemon/serve/access.h"

#include <string.h>

static bool has_group(const struct peer *peer, unsigned gid)
{
        if (peer->gid == gid)
                return true;
        for (size_t i = 0; i < peer->n_groups; i++)
                if (peer->groups[i] == gid)
                        return true;
        return false;
}

/*
 * Any user can name a unit of the own manager as root named one of the system's, so those count only for a daemon that is such a unit
 * itself, and only of the same user.
 */
static bool is_unit(const struct peer *peer, const char *name, const struct access_self *self)
{
        if (peer->unit && strcmp(peer->unit, name) == 0)
                return true;
        return self->in_user_manager && peer->uid == self->uid && peer->user_unit &&
               strcmp(peer->user_unit, name) == 0;
}

enum access access_check(const struct allow_list *allow, const struct peer *peer,
                         const struct access_self *self)
{
        bool groups_needed = false, unit_needed = false;

        if (!allow || !allow->given)
                return peer->uid == 0 || peer->uid == self->uid ? ACCESS_GRANTED : ACCESS_DENIED;

        for (size_t i = 0; i < allow->n; i++) {
                const struct allow_rule *rule = &allow->rules[i];

                switch (rule->kind) {
                case ALLOW_USER:
                        if (peer->uid == rule->id)
                                return ACCESS_GRANTED;
                        break;
                case ALLOW_GROUP:
                        if (has_group(peer, rule->id))
                                return ACCESS_GRANTED;
                        groups_needed = groups_needed || peer->groups_unread;
                        break;
                case ALLOW_UNIT:
                        if (!peer->unit_known)
                                unit_needed = true;
                        else if (is_unit(peer, rule->name, self))
                                return ACCESS_GRANTED;
                        break;
                }
        }
        if (groups_needed)
                return ACCESS_GROUPS_NEEDED;
        return unit_needed ? ACCESS_UNIT_NEEDED : ACCESS_DENIED;
}

const struct allow_list *access_list(const struct credential_config *config, const struct client *client)
{
        if (config && config->allow.given)
                return &config->allow;
        return client ? &client->allow : NULL;
}

static bool names_a_unit(const struct allow_list *allow)
{
        for (size_t i = 0; i < allow->n; i++)
                if (allow->rules[i].kind == ALLOW_UNIT)
                        return true;
        return false;
}

bool access_turns_on_units(const struct config *config)
{
        for (size_t i = 0; i < config->n_clients; i++)
                if (names_a_unit(&config->clients[i]->allow))
                        return true;
        for (size_t i = 0; i < config->n_credentials; i++)
                if (names_a_unit(&config->credentials[i]->allow))
                        return true;
        return names_a_unit(&config->admins);
}
