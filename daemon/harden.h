/* What the process gives up before it touches a secret, with or without a unit file that does the same. */
#pragma once

/* No core dumps, not dumpable (so no ptrace by the same user), no new privileges, umask 077. Faults are told, not fatal. */
int harden_process(void);
