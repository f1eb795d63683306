#include "tests/beds/due_bed.h"

#include <stdio.h>

void set_up_due(const char *refresh)
{
        char name[16], token[16];

        core_setup(&core, refresh);
        for (unsigned i = 0; i < CREDENTIALS; i++) {
                snprintf(name, sizeof(name), "c%u", i);
                snprintf(token, sizeof(token), "refresh-%u", i);
                core_give_grant(&core, name, token, "access", 3600);
        }
        core_advance(&core, 4000);
        core_save(&core);
}
