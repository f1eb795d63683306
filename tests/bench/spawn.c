/*
 * spawn RUNS COMMAND [ARGUMENT...] -- COMMAND [ARGUMENT...]: how long each of two commands takes from vfork to its end, in turn, so that what
 * else the machine does meets both alike. Prints the medians as one object of JSON; fails when a command does. Their output goes to /dev/null.
 */
#include "tests/bench/latency.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In microseconds; it ends the program when the command fails. */
static double run(char **command, const posix_spawn_file_actions_t *actions)
{
        uint64_t began = latency_now_nsec();
        int status = 0;
        pid_t pid;

        if (posix_spawn(&pid, command[0], actions, NULL, command, environ) != 0 ||
            waitpid(pid, &status, 0) != pid || status != 0) {
                fprintf(stderr, "spawn: %s failed (%d)\n", command[0], status);
                exit(1);
        }
        return (double)(latency_now_nsec() - began) / 1000;
}

static int compare(const void *one, const void *other)
{
        double a = *(const double *)one, b = *(const double *)other;

        return (a > b) - (a < b);
}

static double median(double *times, size_t n)
{
        qsort(times, n, sizeof(*times), compare);
        return times[n / 2];
}

int main(int argc, char **argv)
{
        posix_spawn_file_actions_t actions;
        size_t runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
        double *times = calloc(runs + 1, 2 * sizeof(*times));
        char **one = argv + 2, **other = NULL;

        for (int i = 2; i < argc && !other; i++)
                if (strcmp(argv[i], "--") == 0) {
                        argv[i] = NULL;
                        other = argv + i + 1;
                }
        if (runs == 0 || !times || !other || !one[0] || !other[0] ||
            posix_spawn_file_actions_init(&actions) != 0 ||
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0) {
                fputs("usage: spawn RUNS COMMAND... -- COMMAND...\n", stderr);
                return 2;
        }
        for (size_t i = 0; i < runs; i++) {
                times[i] = run(one, &actions);
                times[runs + i] = run(other, &actions);
        }
        printf("{\"first_usec\": %.1f, \"second_usec\": %.1f}\n", median(times, runs),
               median(times + runs, runs));
        return 0;
}
