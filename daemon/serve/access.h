/*
 * Who may use what, by the configuration's rules and the kernel's word on the caller. Pure: it looks nothing up, and says when a rule
 * turns on the caller's groups or unit, which cost a system call, and a look into /proc.
 */
#pragma once

#include "daemon/config/config.h"
#include "daemon/base/peer.h"

#include <stdbool.h>

enum access {
        ACCESS_DENIED,
        ACCESS_GRANTED,
        ACCESS_GROUPS_NEEDED, /* call peer_find_groups(), and ask again */
        ACCESS_UNIT_NEEDED, /* call peer_find_unit(), and ask again */
};

/* What the daemon is itself. */
struct access_self {
        unsigned uid;
        bool in_user_manager; /* a service of `systemctl --user`: units of its own user's manager count, too */
};

/* allow NULL, or not given: root and the daemon's own user. Given, it replaces that wholly. */
enum access access_check(const struct allow_list *allow, const struct peer *peer,
                         const struct access_self *self);

/* Whether any list has a rule about units. Where none has, no answer can turn on the caller's. */
bool access_turns_on_units(const struct config *config);

/* The list that holds for a credential: its own, else its client's. Both may be NULL. */
const struct allow_list *access_list(const struct credential_config *config, const struct client *client);
