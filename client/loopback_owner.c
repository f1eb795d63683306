/* The owner of a connection, by proc(5). Knows nothing of what is said on it. */
#include "client/loopback_owner.h"

#include "common/cleanup.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ESTABLISHED = 1, END_SIZE = 48 };

static void fclosep(FILE **file)
{
        if (*file)
                fclose(*file);
}

/* As the table has it: the words of the address as this machine reads them, and the port. */
static void format_end(const struct sockaddr *address, char text[END_SIZE])
{
        const struct sockaddr_in *four = (const void *)address;
        const struct sockaddr_in6 *six = (const void *)address;
        uint32_t words[4] = { 0 };

        if (address->sa_family == AF_INET) {
                snprintf(text, END_SIZE, "%08" PRIX32 ":%04X", four->sin_addr.s_addr, ntohs(four->sin_port));
                return;
        }
        memcpy(words, &six->sin6_addr, sizeof(words));
        snprintf(text, END_SIZE, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 ":%04X", words[0],
                 words[1], words[2], words[3], ntohs(six->sin6_port));
}

int owner_find(FILE *table, const struct sockaddr *from, const struct sockaddr *to, uid_t *ret)
{
        char from_text[END_SIZE], to_text[END_SIZE], line[512], local[END_SIZE], remote[END_SIZE];
        unsigned state, uid;

        format_end(from, from_text);
        format_end(to, to_text);
        while (fgets(line, sizeof(line), table)) {
                if (sscanf(line, " %*d: %47s %47s %x %*s %*s %*s %u", local, remote, &state, &uid) != 4 ||
                    strcmp(local, from_text) != 0 || strcmp(remote, to_text) != 0)
                        continue;
                /* One that was closed belongs to nobody any more, which the table shows as root. */
                if (state != ESTABLISHED)
                        continue;
                *ret = uid;
                return 0;
        }
        return ferror(table) ? OWNER_E_UNKNOWN : OWNER_E_NONE;
}

static bool read_number(FILE *file, uid_t *ret)
{
        unsigned number;

        if (!file || fscanf(file, "%u", &number) != 1 || number == UINT32_MAX)
                return false;
        *ret = number;
        return true;
}

/* sudo says who calls, and the kernel remembers who logged in, whatever they have become since. */
static bool became_us(uid_t uid)
{
        _cleanup_(fclosep) FILE *file = fopen("/proc/self/loginuid", "re");
        const char *sudo = getenv("SUDO_UID");
        char *end;
        uid_t login;

        if (sudo && *sudo && strtoul(sudo, &end, 10) == uid && !*end)
                return true;
        return read_number(file, &login) && login == uid;
}

bool owner_is_stranger(const struct sockaddr *from, const struct sockaddr *to)
{
        _cleanup_(fclosep) FILE *table =
                fopen(from->sa_family == AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6", "re");
        uid_t uid;
        int r = table ? owner_find(table, from, to, &uid) : OWNER_E_UNKNOWN;

        if (r != 0)
                return r == OWNER_E_NONE;
        return uid != 0 && uid != getuid() && !became_us(uid);
}
