/*
 * Records that no disk took, carried from one purserd to the next: packed into a sealed memfd, which the service manager keeps in its file
 * descriptor store over a restart. Knows no credential; the records are sealed by the caller, as they would be on disk.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"
#include "daemon/store/store.h"

#include <stdbool.h>

/* FDNAME of what is given. The second is used while the first is still in the manager's keeping. */
#define HANDOVER_NAME "purser-unsaved"
#define HANDOVER_OTHER_NAME "purser-unsaved-2"

enum {
        HANDOVER_E_MALFORMED = 1, /* not what handover_pack() made, or not sealed */
        HANDOVER_E_REFUSED, /* there is nobody who keeps it */
};

/* The operations, in their order, in a memfd that nobody can change any more. */
int handover_pack(const struct store_op *ops, size_t n_ops, int *ret_fd);
/* Calls on_op for each; it is borrowed for the call. Its non-zero result ends the walk and is returned. */
int handover_unpack(int fd, int (*on_op)(const struct store_op *op, void *userdata), void *userdata);

/* Gives a copy of fd to the manager under that name, and sees that it was kept. */
int handover_give(int fd, const char *name);
/* The manager may forget what it keeps under that name. */
void handover_drop(const char *name);

bool handover_is_name(const char *name);
/* What was passed at the start: at most max descriptors, owned by the caller from now on, with their names (one of the two above). */
struct handover_passed {
        int fd;
        const char *name;
};
int handover_passed(struct handover_passed *ret, size_t max, size_t *ret_n);
