/*
 * The state directory as the file system sees it: whose it is, who has locked it, and whether its files are still the ones
 * that were opened. Knows no database. For store_sqlite.c alone.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

struct store_dir {
        char *path; /* without symbolic links */
        int fd;
        int lock_fd; /* held as long as it is open */
};

/*
 * Checks that nobody else can change what lies there, and locks it. 0; STORE_E_IN_USE; a fault, -EPERM for an unsafe one
 * (diag).
 */
int store_dir_open(struct store_dir **ret, const char *path, struct diag *diag);
struct store_dir *store_dir_free(struct store_dir *dir); /* unlocks */
DEFINE_FREEP(struct store_dir *, store_dir_free)

/* Takes the lock anew when directory or lock file were replaced; a lock that still counts is never let go in between. */
int store_dir_renew(struct store_dir **dir, struct diag *diag);

/* A file at one moment. */
struct file_mark {
        bool there;
        dev_t dev;
        ino_t ino;
        off_t size;
        struct timespec mtime;
};

/* By path and not by descriptor: what counts is what a restart would find. */
int store_dir_mark(const struct store_dir *dir, const char *name, struct file_mark *ret);
bool file_mark_same_file(const struct file_mark *a, const struct file_mark *b);
bool file_mark_unchanged(const struct file_mark *a, const struct file_mark *b);

/* Gives a file another name, over whatever has that name; nothing when it is not there. */
int store_dir_move(const struct store_dir *dir, const char *from, const char *to);
int store_dir_remove(const struct store_dir *dir, const char *name);
int store_dir_sync(const struct store_dir *dir);
