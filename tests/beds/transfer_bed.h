/* A core whose grants leave in an export and come back in a restore, with what each of them told. */
#pragma once

#include "tests/beds/core.h"

#include "daemon/transfer/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ANSWER_2 "{\"access_token\":\"access-2\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}"

extern struct core core;

/* What an export told. */
extern struct out {
        struct exporter *exporter;
        uint8_t file[1 << 20];
        size_t n, n_credentials, n_client_secrets, n_left_out;
        unsigned n_pieces;
        bool ended, not_saved;
        char reason[256];
} out;

/* What a restore told. */
extern struct in {
        struct restorer *restorer;
        bool told;
        enum restore_verdict verdict;
        char reason[256], names[256];
        size_t n_names, n_client_secrets, n_secrets_kept;
        bool moved;
} in;

int setup(void **state);
int teardown(void **state);
struct credential *find(const char *name);
size_t in_flight(void);
void restart(void);
void begin_export(bool move);

/* One piece, with the disk that it needs. */
void go_on(void);
void export_all(bool move);
void on_done(const struct restore_answer *answer, void *userdata);
void begin_restore(bool replace);
void restore(bool replace, enum restore_verdict wanted);

/* Another machine: its disk is empty. */
void move_to_another_machine(void);
void drop_exporter(void);

#define TRANSFER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
