/*
 * asker SOCKET CREDENTIAL: asks purserd for a token through libpurser, again and again, until standard input ends; then prints one
 * line, `N answers, M errors`, with the words of the first few errors on standard error. Says `ready` after the first answer.
 */
#include "include/purser.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { ERRORS_SHOWN = 5 };

struct tally {
        unsigned long n_answers, n_errors;
        double longest; /* seconds that one call took */
        long long generation;
};

static double seconds(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int is_over(void)
{
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

        return poll(&input, 1, 0) != 0;
}

static void fail(struct tally *tally, const char *words)
{
        if (tally->n_errors++ < ERRORS_SHOWN)
                fprintf(stderr, "asker: %s\n", words);
}

/* An answer of an older token than one that was given before is an error, too. */
static void judge(struct tally *tally, const struct purser_bundle *bundle)
{
        if (purser_bundle_generation(bundle) < tally->generation)
                fail(tally, "the generation went back");
        else
                tally->n_answers++;
        tally->generation = purser_bundle_generation(bundle);
}

static void ask(struct purser *purser, const char *credential, struct tally *tally)
{
        struct purser_bundle *bundle = NULL;
        double began = seconds(), took;
        int r;

        r = purser_get_token(purser, credential, NULL, &bundle);
        took = seconds() - began;
        if (took > tally->longest)
                tally->longest = took;
        if (r != PURSER_OK)
                fail(tally, purser_error(purser));
        else
                judge(tally, bundle);
        purser_bundle_free(bundle);
}

int main(int argc, char **argv)
{
        struct tally tally = { 0 };
        struct purser *purser;

        if (argc != 3 || purser_open(&purser, argv[1]) != PURSER_OK) {
                fputs("usage: asker SOCKET CREDENTIAL\n", stderr);
                return 64;
        }
        ask(purser, argv[2], &tally);
        puts("ready");
        fflush(stdout);
        while (!is_over())
                ask(purser, argv[2], &tally);
        purser_close(purser);
        printf("%lu answers, %lu errors, longest %.3f s\n", tally.n_answers, tally.n_errors, tally.longest);
        return tally.n_errors ? 1 : 0;
}
