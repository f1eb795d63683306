/* Turns: several are begun before the first of them is ended, so that what their calls need is fetched from memory side by side. */
#include "daemon/serve/server.h"

#include "daemon/serve/server_internal.h"

/* Up to one that is not brief: it is whoever has waited longest then, behind whom nobody has been read. */
static size_t begin_turns(struct server *server, size_t most)
{
        bool is_brief = true;
        size_t n = 0;

        while (is_brief && n < SERVER_LANES && server->work < most) {
                struct account_entry *entry = accounts_take_due(&server->accounts);
                struct lane *lane = &server->lanes[n];
                size_t before = server->work;

                if (!entry)
                        break;
                lane->connection = connection_of_entry(entry);
                connection_begin_turn(lane);
                accounts_charge_turn(&server->accounts, server->work - before);
                is_brief = lane->state == LANE_BRIEF;
                n++;
        }
        return n;
}

static void expect(struct server *server, size_t n)
{
        const struct brief *briefs[SERVER_LANES];

        n -= n > 0 && server->lanes[n - 1].state != LANE_BRIEF;
        if (n == 0)
                return;
        for (size_t i = 0; i < n; i++)
                briefs[i] = &server->lanes[i].brief;
        server->handler.on_expected(briefs, n, server->handler.userdata);
}

static void go_on(struct server *server, struct lane *lane, void (*how)(struct lane *lane))
{
        size_t before = server->work;

        accounts_resume_turn(&server->accounts, &lane->connection->entry);
        how(lane);
        accounts_charge_turn(&server->accounts, server->work - before);
}

/* No answer that is ready waits for a call that is not brief at second sight; and of those, no more are taken than without batches. */
static void end_turns(struct server *server, size_t n, size_t most)
{
        bool has_called = false;

        for (size_t i = 0; i < n; i++)
                go_on(server, &server->lanes[i], connection_end_brief);
        for (size_t i = 0; i < n; i++) {
                if (server->lanes[i].state == LANE_OVER)
                        continue;
                go_on(server, &server->lanes[i],
                      has_called && server->work >= most ? connection_put_back : connection_end_turn);
                has_called = true;
        }
}

bool server_work(struct server *server)
{
        size_t most = server->is_crowded ? server->work + SERVER_WORK_IN_CROWD : SERVER_WORK_PER_TURN;

        while (server->work < most) {
                size_t n = begin_turns(server, most);

                if (n == 0)
                        return false;
                expect(server, n);
                end_turns(server, n, most);
        }
        return true;
}
