/*
 * Linked with echo.c: the same server, for which the libraries that purserd does not carry inside are found and joined. With JOINED_STORE and
 * JOINED_CONFIG it does before its first answer what nobody who keeps secrets in SQLite and facts in YAML gets around: it reads the one,
 * opens and checks the other as purserd does, reads its rows, and touches a page of secret memory. That is the least that a start can take.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <yaml.h>

enum { PAGE = 4096 };

static void die(const char *what)
{
        fprintf(stderr, "joined: %s\n", what);
        exit(1);
}

static void read_config(const char *path)
{
        FILE *file = fopen(path, "re");
        yaml_parser_t parser;
        yaml_document_t document;

        if (!file || !yaml_parser_initialize(&parser))
                die(path);
        yaml_parser_set_input_file(&parser, file);
        if (!yaml_parser_load(&parser, &document))
                die(path);
        yaml_document_delete(&document);
        yaml_parser_delete(&parser);
        fclose(file);
}

static void run(sqlite3 *db, const char *sql)
{
        sqlite3_stmt *statement;

        if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
                die(sqlite3_errmsg(db));
        while (sqlite3_step(statement) == SQLITE_ROW)
                ;
        if (sqlite3_finalize(statement) != SQLITE_OK)
                die(sqlite3_errmsg(db));
}

/* Left open, as the store is. */
static void open_store(const char *path)
{
        static const char *const statements[] = {
                "PRAGMA locking_mode = EXCLUSIVE",     "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",           "PRAGMA quick_check(1)",
                "SELECT kind, name, blob FROM record",
        };
        sqlite3 *db;

        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
                die(path);
        for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
                run(db, statements[i]);
}

static void touch_secret_memory(void)
{
        int fd = (int)syscall(SYS_memfd_secret, 0);
        char *page;

        /* Kernels without it, or without room: purserd goes without, too. */
        if (fd < 0 || ftruncate(fd, PAGE) < 0)
                return;
        page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page != MAP_FAILED)
                memset(page, 1, PAGE);
}

__attribute__((constructor)) static void work(void)
{
        const char *store = getenv("JOINED_STORE"), *config = getenv("JOINED_CONFIG");

        if (!store || !config)
                return;
        read_config(config);
        open_store(store);
        touch_secret_memory();
}
