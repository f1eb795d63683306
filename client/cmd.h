/* The commands, one struct each, defined beside its function. */
#pragma once

#include "client/cli.h"

extern const struct cmd cmd_token, cmd_headers, cmd_exec;
extern const struct cmd cmd_list, cmd_clients, cmd_providers, cmd_status, cmd_watch;
extern const struct cmd cmd_login, cmd_import, cmd_test, cmd_refresh, cmd_logout;
extern const struct cmd cmd_verify_webhook, cmd_secret_set;
extern const struct cmd cmd_export, cmd_restore, cmd_keep;
extern const struct cmd cmd_reload, cmd_metrics, cmd_key_change;
