#include "server/net/hold_opening.h"

#include "server/base/assert.h"
#include "server/net/connection.h"
#include "server/net/server.h"
#include "server/net/session_opener.h"
#include "server/txn/database.h"

#define SHOWN_MAX 100u /* of those that one waits for; and counted of those in front of it */

/* [client, o]; of a drop o is nil. */
static void put_opener(struct net_buffer *out, const struct connection *c,
                       const struct session_opener *opener)
{
    put_array(out, 2);
    put_uint(out, c->id);
    if (opener)
        put_uint(out, opener->o);
    else
        put_nil(out);
}

static const struct session_opener *opener_of(const struct opener *core)
{
    return core ? LIST_ENTRY(core, const struct session_opener, core) : NULL;
}

static const char *turn_does(const struct turn *turn)
{
    if (!turn->opener)
        return "drop_database";
    return turn->op && turn->upgrades ? "upgrade" : "attach";
}

static const char *turn_state(const struct turn *turn)
{
    static const char *const names[] = {
        [TURN_WAITING] = "waiting", [TURN_HELD] = "turn",       [TURN_ASKING] = "asking",
        [TURN_BLOCKED] = "blocked", [TURN_LOCKING] = "locking", [TURN_OPEN] = "open",
        [TURN_ENDED] = "ended"};

    ASSERT((unsigned)turn->state < sizeof names / sizeof *names);
    return names[turn->state];
}

/* How many are in front of it in the queue of its database. */
static unsigned turns_ahead(const struct turn *turn)
{
    const struct list_link *head = &turn->database->opening.queue;
    unsigned count = 0;

    for (const struct list_link *at = turn->in_queue.previous; at != head && count < SHOWN_MAX;
         at = at->previous)
        count++;
    ASSERT(count <= SHOWN_MAX);
    return count;
}

/* The openers that are in its way, as far as they may be seen. */
static void put_openers(struct execution *w, const struct turn *turn)
{
    size_t place = put_array_later(w->out);
    uint32_t count = 0;

    if (turn->state == TURN_ASKING || turn->state == TURN_BLOCKED) {
        LIST_EACH (link, &turn->database->opening.attached) {
            const struct opener *core = LIST_ENTRY(link, const struct opener, in_attached);
            const struct session *s = opener_of(core)->session;

            if (core == turn->opener || !session_sees(w->session, s))
                continue;
            if (count == SHOWN_MAX)
                break;
            put_opener(w->out, s->connection, opener_of(core));
            count++;
        }
    }
    put_array_now(w->out, place, count);
}

static void put_turn(struct execution *w, const struct connection *c, const struct turn *turn)
{
    static const char *const nils[] = {"version", "cursor", "snapshot",
                                       "label",   "lock",   "waits_for"};
    static const char *const zeros[] = {"idle_ms", "bytes", "reads", "held", "disk"};
    struct net_buffer *out = w->out;

    put_map(out, 21);
    put_word(out, "kind");
    put_word(out, "opening");
    for (size_t i = 0; i < sizeof nils / sizeof *nils; i++) {
        put_word(out, nils[i]);
        put_nil(out);
    }
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++)
        put_fact(out, zeros[i], 0);
    put_word(out, "doomed");
    put_bool(out, false);
    put_word(out, "database");
    put_text(out, database_name(turn->database));
    put_word(out, "client");
    put_text(out, connection_name(c));
    put_fact(out, "age_ms", server_now(c->server) - turn->since_ms);
    put_word(out, "opener");
    put_opener(out, c, opener_of(turn->opener));
    put_word(out, "does");
    put_word(out, turn_does(turn));
    put_word(out, "state");
    put_word(out, turn_state(turn));
    put_fact(out, "ahead", turns_ahead(turn));
    put_word(out, "openers");
    put_openers(w, turn);
}

size_t put_opening_holds(struct execution *w, const struct connection *c,
                         bool (*add)(struct execution *w))
{
    const struct session *s = &c->session;
    size_t steps = 0;

    LIST_EACH (link, &s->opener_list) {
        const struct session_opener *o =
            LIST_ENTRY(link, const struct session_opener, in_session);
        const struct turn *turn = o->core.turn;

        steps++;
        if (turn && turn->state != TURN_OPEN && add(w)) /* that is a transaction */
            put_turn(w, c, turn);
    }
    LIST_EACH (link, &s->requests) {
        const struct turn *turn = LIST_ENTRY(link, const struct request, in_session)->op.turn;

        steps++;
        if (turn && !turn->opener && turn->state != TURN_ENDED && add(w))
            put_turn(w, c, turn);
    }
    return steps;
}
