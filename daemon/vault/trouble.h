/*
 * What troubles a credential has that somebody wants to be told of, and which of those that were told are over. Pure. A trouble is over
 * when it surely is: while nobody knows, it stays.
 */
#pragma once

#include "daemon/config/config.h"
#include "daemon/vault/credential.h"

enum {
        TROUBLE_FAILURES = 3
}; /* as many refreshes in a row fail before a credential without a token is a trouble */

struct trouble_change {
        unsigned now; /* bits, 1 << enum hook_event: what is the matter, of what was told and is not over */
        unsigned begun; /* of these, those that were not told */
        unsigned
                recovered; /* were told and are over; what was replaced by something worse, or may come back, is not among them */
};

struct trouble_change trouble_look(const struct credential *credential, uint64_t boot_now, unsigned told);

/* In words: what happened, or with recovered, what is well again; and what to do. */
void trouble_explain(const struct credential *credential, uint64_t boot_now, enum hook_event trouble,
                     bool recovered, struct diag *ret_message, struct diag *ret_next_step);
