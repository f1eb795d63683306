/* What the process gives up before it touches a secret, with or without a unit file that does the same. */
#pragma once

/*
 * No core dumps, not dumpable (so no ptrace by the same user), no new privileges, umask 077, and a filter that refuses system calls
 * which are never needed (EPERM), where there is no other filter. All of it is passed on to programs that are run. Faults are told, not fatal. Not Landlock: the
 * configuration, what it names, certificate authorities, name resolution and programs that are run lie wherever the administrator
 * put them, and a reload may name others.
 */
int harden_process(void);
