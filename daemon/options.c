/* The command line of purserd. */
#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PURSER_VERSION
#define PURSER_VERSION "unknown"
#endif
#ifndef PURSER_PROVIDERS_DIR
#define PURSER_PROVIDERS_DIR "/usr/share/purser/providers"
#endif
#ifndef PURSER_SYSCONFDIR
#define PURSER_SYSCONFDIR "/etc"
#endif

static const char usage[] =
        "Usage: purserd [OPTION]...\n"
        "Keeps OAuth 2.0 access tokens fresh and hands them to the programs that may have them.\n"
        "\n"
        "  --config FILE      configuration (default: " PURSER_SYSCONFDIR "/purser/purser.yaml);\n"
        "                     conf.d/*.yaml beside it is read too\n"
        "  --state-dir DIR    where grants are kept, sealed (default: $STATE_DIRECTORY, or /var/lib/purser)\n"
        "  --listen PATH      make this socket, instead of taking those that systemd passes\n"
        "  --providers DIR    provider files (default: " PURSER_PROVIDERS_DIR ")\n"
        "  --check            read the configuration, tell every mistake, and exit\n"
        "  --version, --help  say so, and exit\n"
        "\n"
        "Exit status: 0, 64 usage, 78 configuration or sealing key, 75 another purserd has the state or the\n"
        "socket, 65 the store is damaged. See purserd(8) and purser.yaml(5).\n";

enum {
        OPTION_CONFIG = 256,
        OPTION_STATE_DIR,
        OPTION_LISTEN,
        OPTION_PROVIDERS,
        OPTION_CHECK,
        OPTION_VERSION,
        OPTION_HELP
};

static const struct option long_options[] = {
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "state-dir", required_argument, NULL, OPTION_STATE_DIR },
        { "listen", required_argument, NULL, OPTION_LISTEN },
        { "providers", required_argument, NULL, OPTION_PROVIDERS },
        { "check", no_argument, NULL, OPTION_CHECK },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "help", no_argument, NULL, OPTION_HELP },
        { 0 },
};

/* systemd.exec(5): several directories are separated by colons. */
static const char *default_state_dir(void)
{
        char *directories = getenv("STATE_DIRECTORY");

        if (!directories || !*directories)
                return "/var/lib/purser";
        directories[strcspn(directories, ":")] = '\0';
        return directories;
}

static const char *environment(const char *name)
{
        const char *value = getenv(name);

        return value && *value ? value : NULL;
}

static int complain(const char *what, const char *argument)
{
        fprintf(stderr, "purserd: %s%s; `purserd --help` lists the options.\n", what, argument);
        return OPTIONS_E_USAGE;
}

static int read_one(struct options *options, int option)
{
        if (option >= OPTION_CONFIG && option <= OPTION_PROVIDERS && !*optarg)
                return complain("an option has an empty value", "");

        switch (option) {
        case OPTION_CONFIG:
                options->config = optarg;
                return 0;
        case OPTION_STATE_DIR:
                options->state_dir = optarg;
                return 0;
        case OPTION_LISTEN:
                if (options->listen)
                        return complain("--listen can be given once; more sockets come from systemd", "");
                options->listen = optarg;
                return 0;
        case OPTION_PROVIDERS:
                options->providers[0] = optarg;
                return 0;
        case OPTION_CHECK:
                options->check = true;
                return 0;
        case OPTION_VERSION:
                puts("purserd " PURSER_VERSION);
                return OPTIONS_E_DONE;
        case OPTION_HELP:
                fputs(usage, stdout);
                return OPTIONS_E_DONE;
        }
        return complain("the command line is wrong", "");
}

int options_read(struct options *ret, int argc, char **argv)
{
        struct options options = {
                .config = PURSER_SYSCONFDIR "/purser/purser.yaml",
                .providers = { PURSER_PROVIDERS_DIR, PURSER_SYSCONFDIR "/purser/providers" },
                .credentials_directory = environment("CREDENTIALS_DIRECTORY"),
        };
        int option, r;

        opterr = 0;
        optind = 1;
        while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                if (option == '?')
                        return complain("unknown option, or one without its value: ", argv[optind - 1]);
                r = read_one(&options, option);
                if (r != 0)
                        return r;
        }
        if (optind < argc)
                return complain("unexpected argument: ", argv[optind]);

        if (!options.state_dir)
                options.state_dir = default_state_dir();
        *ret = options;
        return 0;
}
