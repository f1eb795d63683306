#include "tests/beds/transfer_bed.h"

#include <stdio.h>
#include <string.h>

static const struct backup_cost cheap = { .opslimit = 1, .memlimit = 8192 };

struct core core;
static struct secret *passphrase;

struct out out;

struct in in;

int setup(void **state)
{
        (void)state;
        memset(&out, 0, sizeof(out));
        memset(&in, 0, sizeof(in));
        core_setup(&core, "refresh: {test: off}\n");
        assert_int_equal(secret_new_string(&passphrase, "correct horse battery staple"), 0);
        return 0;
}

int teardown(void **state)
{
        (void)state;
        out.exporter = exporter_free(out.exporter);
        in.restorer = restorer_free(in.restorer);
        passphrase = secret_free(passphrase);
        core_teardown(&core);
        return 0;
}

struct credential *find(const char *name)
{
        return vault_find(core.context.vault, name);
}

size_t in_flight(void)
{
        return fake_http_n_in_flight(core.context.http);
}

void restart(void)
{
        out.exporter = exporter_free(out.exporter);
        in.restorer = restorer_free(in.restorer);
        core_crash(&core);
        core_start(&core);
}

static void on_piece(const struct export_piece *piece, void *userdata)
{
        (void)userdata;
        assert_true(out.n + piece->n <= sizeof(out.file));
        memcpy(out.file + out.n, piece->bytes, piece->n);
        out.n += piece->n;
        out.n_pieces++;
        out.n_credentials = piece->n_credentials;
        out.n_client_secrets = piece->n_client_secrets;
        out.n_left_out = piece->n_left_out;
        out.ended = piece->verdict != EXPORT_PIECE;
        out.not_saved = piece->verdict == EXPORT_NOT_SAVED;
        snprintf(out.reason, sizeof(out.reason), "%s", piece->reason ? piece->reason : "");
}

void begin_export(bool move)
{
        out.exporter = exporter_free(out.exporter);
        out.n = out.n_pieces = 0;
        out.ended = false;
        assert_int_equal(exporter_new(&out.exporter, &core.context, core.refresher, passphrase, &cheap, move,
                                      on_piece, NULL),
                         0);
}

void go_on(void)
{
        unsigned before = out.n_pieces;

        assert_int_equal(exporter_go_on(out.exporter), 0);
        while (out.n_pieces == before && fake_store_n_queued(core.store) > 0)
                core_save(&core);
        core_run(&core);
}

void export_all(bool move)
{
        begin_export(move);
        while (!out.ended) {
                unsigned before = out.n_pieces;

                go_on();
                assert_int_equal(out.n_pieces, before + 1);
        }
        assert_false(out.not_saved);
}

void on_done(const struct restore_answer *answer, void *userdata)
{
        (void)userdata;
        assert_false(in.told);
        in.told = true;
        in.verdict = answer->verdict;
        snprintf(in.reason, sizeof(in.reason), "%s", answer->reason ? answer->reason : "");
        in.names[0] = '\0';
        for (size_t i = 0; i < answer->n_names && i < 8; i++)
                snprintf(in.names + strlen(in.names), sizeof(in.names) - strlen(in.names), "%s ",
                         answer->names[i]);
        in.n_names = answer->n_names;
        in.n_client_secrets = answer->n_client_secrets;
        in.n_secrets_kept = answer->n_secrets_kept;
        in.moved = answer->moved;
}

void begin_restore(bool replace)
{
        in.restorer = restorer_free(in.restorer);
        in.told = false;
        assert_int_equal(restorer_start(&in.restorer, &core.context, core.refresher, core.prober, out.file,
                                        out.n, passphrase, replace, on_done, NULL),
                         0);
}

void restore(bool replace, enum restore_verdict wanted)
{
        begin_restore(replace);
        core_save(&core);
        assert_true(in.told);
        assert_int_equal(in.verdict, wanted);
        core_run(&core);
}

void move_to_another_machine(void)
{
        core_teardown(&core);
        core_setup(&core, "refresh: {test: off}\n");
}

void drop_exporter(void)
{
        out.exporter = exporter_free(out.exporter);
}
