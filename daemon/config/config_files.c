/* Finds and reads the files. Knows their order, and nothing of what is in them. */
#include "daemon/config/config_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Without a position: the file itself is the matter. */
static int file_mistake(struct loader *loader, const char *file, const char *what, const char *why)
{
        loader->incomplete = true;
        return problems_add(loader->problems, file, 0, 0, "", "%s%s%s", what, why ? ": " : "",
                            why ? why : "");
}

static int read_all(int fd, char *bytes, size_t size, size_t *ret_n)
{
        size_t n = 0;

        while (n < size) {
                ssize_t more = read(fd, bytes + n, size - n);

                if (more < 0 && errno == EINTR)
                        continue;
                if (more < 0)
                        return errno;
                if (more == 0)
                        break;
                n += (size_t)more;
        }
        *ret_n = n;
        return 0;
}

/* O_NONBLOCK: a FIFO in the directory must not stop the daemon. */
static int open_regular(const char *file, int *ret_fd, const char **ret_why)
{
        _cleanup_(closep) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0) {
                *ret_why = strerrordesc_np(errno);
                return 1;
        }
        if (!S_ISREG(st.st_mode)) {
                *ret_why = "it is no regular file";
                return 1;
        }
        *ret_fd = take_fd(&fd);
        return 0;
}

/* One byte more than a document may have, so that a longer one shows itself to the parser. */
static int read_file(const char *file, char **ret, size_t *ret_n, const char **ret_why)
{
        _cleanup_(closep) int fd = -1;
        _cleanup_(freep) char *bytes = malloc(YAML_DOC_MAX + 1);
        int error;

        if (!bytes)
                return fault(-ENOMEM);
        if (open_regular(file, &fd, ret_why) != 0)
                return 1;
        error = read_all(fd, bytes, YAML_DOC_MAX + 1, ret_n);
        if (error != 0) {
                *ret_why = strerrordesc_np(error);
                return 1;
        }
        *ret = take_ptr(bytes);
        return 0;
}

/* The config owns the name, since places point to it. */
static int remember_file(struct loader *loader, const char *file, const char **ret)
{
        struct config *config = loader->config;
        char **files = reallocarray(config->files, config->n_files + 1, sizeof(*files));

        if (!files)
                return fault(-ENOMEM);
        config->files = files;
        files[config->n_files] = strdup(file);
        if (!files[config->n_files])
                return fault(-ENOMEM);
        *ret = files[config->n_files++];
        return 0;
}

static int add_document(struct documents *documents, const char *file, struct yaml_node *root)
{
        struct document *items = reallocarray(documents->items, documents->n + 1, sizeof(*items));

        if (!items)
                return fault(-ENOMEM);
        documents->items = items;
        items[documents->n++] = (struct document){ .file = file, .root = root };
        return 0;
}

/* *ret_there false: there is no tree, nor an empty one. */
static int parse_file(struct loader *loader, const char *name, struct yaml_node **ret_root, bool *ret_there)
{
        _cleanup_(freep) char *bytes = NULL;
        const char *why = NULL;
        size_t n = 0;
        int r;

        *ret_there = false;
        r = read_file(name, &bytes, &n, &why);
        if (r != 0)
                return r < 0 ? r : file_mistake(loader, name, "cannot be read", why);
        r = yaml_doc_parse(ret_root, name, bytes, n, loader->problems);
        if (r < 0)
                return r;
        *ret_there = r == 0 || *ret_root;
        loader->incomplete = loader->incomplete || !*ret_there;
        return 0;
}

int load_file(struct loader *loader, const char *file, struct documents *documents)
{
        _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
        const char *name;
        bool there;
        int r;

        r = remember_file(loader, file, &name);
        if (r == 0)
                r = parse_file(loader, name, &root, &there);
        if (r != 0 || !there)
                return r;
        r = add_document(documents, name, root);
        if (r == 0)
                root = NULL;
        return r;
}

int load_unread(struct loader *loader, struct document *document)
{
        bool there;

        document->unread = false;
        return parse_file(loader, document->file, &document->root, &there);
}

static int note_file(struct loader *loader, const char *file, struct documents *documents)
{
        const char *name;
        int r;

        r = remember_file(loader, file, &name);
        if (r == 0)
                r = add_document(documents, name, NULL);
        if (r == 0)
                documents->items[documents->n - 1].unread = true;
        return r;
}

static int is_yaml_file(const struct dirent *entry)
{
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_entry(struct loader *loader, const char *directory, const char *name,
                      struct documents *documents)
{
        _cleanup_(freep) char *file = NULL;

        if (asprintf(&file, "%s/%s", directory, name) < 0)
                return fault(-ENOMEM);
        return loader->only_used && documents == &loader->provider_files ? note_file(loader, file, documents)
                                                                         : load_file(loader, file, documents);
}

int load_directory(struct loader *loader, const char *directory, struct documents *documents)
{
        struct dirent **entries = NULL;
        int n = scandir(directory, &entries, is_yaml_file, compare_entries), r = 0;

        if (n < 0 && errno == ENOENT)
                return 0;
        if (n < 0 && errno == ENOMEM)
                return fault(-ENOMEM);
        if (n < 0)
                return file_mistake(loader, directory, "cannot be read", strerrordesc_np(errno));
        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = load_entry(loader, directory, entries[i]->d_name, documents);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int load_config_files(struct loader *loader, const char *file)
{
        const char *slash = strrchr(file, '/');
        _cleanup_(freep) char *directory = NULL;
        int r;

        if (asprintf(&directory, "%.*sconf.d", slash ? (int)(slash - file + 1) : 0, file) < 0)
                return fault(-ENOMEM);
        r = load_file(loader, file, &loader->config_files);
        if (r == 0)
                r = load_directory(loader, directory, &loader->config_files);
        return r;
}

void documents_done(struct documents *documents)
{
        for (size_t i = 0; i < documents->n; i++)
                yaml_node_free(documents->items[i].root);
        free(documents->items);
        *documents = (struct documents){ 0 };
}
