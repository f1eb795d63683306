/* purser login --device: for a person at another device (RFC 8628). */
#pragma once

#include "client/cli.h"

struct device_options {
        const char *client, *description; /* NULL: not given */
        bool switch_account;
};

/* The exit status; all has been told. */
int login_by_device(struct cli *cli, const struct device_options *options);
