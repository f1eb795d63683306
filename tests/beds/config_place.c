#include "tests/beds/config_place.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *path_of(struct place *place, const char *name)
{
        snprintf(place->path, sizeof(place->path), "%s/%s", place->directory, name);
        return place->path;
}

void write_bytes(struct place *place, const char *name, const void *bytes, size_t n, mode_t mode)
{
        FILE *file = fopen(path_of(place, name), "w");

        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, n, file), n);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(place->path, mode), 0);
}

void write_file(struct place *place, const char *name, const char *text)
{
        write_bytes(place, name, text, strlen(text), 0644);
}

int set_up(void **state)
{
        struct place *place = calloc(1, sizeof(*place));

        assert_non_null(place);
        strcpy(place->directory, "/tmp/test_config.XXXXXX");
        assert_non_null(mkdtemp(place->directory));
        assert_int_equal(mkdir(path_of(place, "conf.d"), 0755), 0);
        assert_int_equal(mkdir(path_of(place, "vendor"), 0755), 0);
        assert_int_equal(mkdir(path_of(place, "local"), 0755), 0);
        *state = place;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
        return remove(path);
}

int tear_down(void **state)
{
        struct place *place = *state;
        int r = nftw(place->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);

        free(place);
        return r;
}

typedef int load_function(struct config **ret, const char *file, const char *const *provider_dirs,
                          size_t n_provider_dirs, struct problems *problems);

static int load_by(load_function *function, struct place *place, struct config **ret,
                   struct problems *problems)
{
        char vendor[128], local[128], missing[128];
        const char *const directories[] = { vendor, local, missing };

        snprintf(vendor, sizeof(vendor), "%s/vendor", place->directory);
        snprintf(local, sizeof(local), "%s/local", place->directory);
        snprintf(missing, sizeof(missing), "%s/missing", place->directory);
        return function(ret, path_of(place, "purser.yaml"), directories, N(directories), problems);
}

static int load(struct place *place, struct config **ret, struct problems *problems)
{
        return load_by(config_load, place, ret, problems);
}

struct config *load_used(struct place *place, struct problems *problems, int *ret)
{
        struct config *config = NULL;

        *ret = load_by(config_load_used, place, &config, problems);
        return config;
}

struct config *load_well(struct place *place)
{
        struct problems problems = PROBLEMS_INIT;
        struct config *config = NULL;

        if (load(place, &config, &problems) != 0)
                fail_msg("%s", problems.n > 0 ? problems.lines[0] : "a fault");
        assert_int_equal(problems.n, 0);
        return config;
}

void tell(struct place *place, struct problems *problems, char *text, size_t size)
{
        size_t n = 0, skip = strlen(place->directory) + 1;

        text[0] = '\0';
        for (size_t i = 0; i < problems->n; i++) {
                assert_memory_equal(problems->lines[i], place->directory, skip - 1);
                n += (size_t)snprintf(text + n, n < size ? size - n : 0, "%s\n", problems->lines[i] + skip);
        }
        assert_true(n < size);
        problems_done(problems);
}

void expect_lines(struct place *place, const char *lines)
{
        struct problems problems = PROBLEMS_INIT;
        struct config *config = NULL;
        char text[8192];

        if (load(place, &config, &problems) != CONFIG_E_MISTAKES)
                fail_msg("no mistake: %s", lines);
        assert_null(config);
        tell(place, &problems, text, sizeof(text));
        assert_string_equal(text, lines);
}
