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

static const char *claim_does(const struct claim *claim)
{
    if (!claim->opener)
        return "drop_database";
    return claim->op && claim->upgrades ? "upgrade" : "attach";
}

static const char *claim_state(const struct claim *claim)
{
    static const char *const names[] = {
        [CLAIM_WAITING] = "waiting", [CLAIM_HELD] = "turn",       [CLAIM_ASKING] = "asking",
        [CLAIM_BLOCKED] = "blocked", [CLAIM_LOCKING] = "locking", [CLAIM_OPEN] = "open",
        [CLAIM_ENDED] = "ended"};

    ASSERT((unsigned)claim->state < sizeof names / sizeof *names);
    return names[claim->state];
}

/* How many are in front of it in the queue of its database. */
static unsigned claims_ahead(const struct claim *claim)
{
    const struct list_link *head = &claim->database->opening.queue;
    unsigned count = 0;

    for (const struct list_link *at = claim->in_queue.previous; at != head && count < SHOWN_MAX;
         at = at->previous)
        count++;
    ASSERT(count <= SHOWN_MAX);
    return count;
}

/* The openers that are in its way, as far as they may be seen. */
static void put_openers(struct execution *w, const struct claim *claim)
{
    size_t place = put_array_later(w->out);
    uint32_t count = 0;

    if (claim->state == CLAIM_ASKING || claim->state == CLAIM_BLOCKED) {
        LIST_EACH (link, &claim->database->opening.attached) {
            const struct opener *core = LIST_ENTRY(link, const struct opener, in_attached);
            const struct session *s = opener_of(core)->session;

            if (core == claim->opener || !session_sees(w->session, s))
                continue;
            if (count == SHOWN_MAX)
                break;
            put_opener(w->out, s->connection, opener_of(core));
            count++;
        }
    }
    put_array_now(w->out, place, count);
}

static void put_claim(struct execution *w, const struct connection *c,
                      const struct claim *claim)
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
    put_text(out, database_name(claim->database));
    put_word(out, "client");
    put_text(out, connection_name(c));
    put_fact(out, "age_ms", server_now(c->server) - claim->since_ms);
    put_word(out, "opener");
    put_opener(out, c, opener_of(claim->opener));
    put_word(out, "does");
    put_word(out, claim_does(claim));
    put_word(out, "state");
    put_word(out, claim_state(claim));
    put_fact(out, "ahead", claims_ahead(claim));
    put_word(out, "openers");
    put_openers(w, claim);
}

size_t put_opening_holds(struct execution *w, const struct connection *c,
                         bool (*add)(struct execution *w))
{
    const struct session *s = &c->session;
    size_t steps = 0;

    LIST_EACH (link, &s->opener_list) {
        const struct session_opener *o =
            LIST_ENTRY(link, const struct session_opener, in_session);
        const struct claim *claim = o->core.claim;

        steps++;
        if (claim && claim->state != CLAIM_OPEN && add(w)) /* that is a transaction */
            put_claim(w, c, claim);
    }
    LIST_EACH (link, &s->requests) {
        const struct claim *claim =
            LIST_ENTRY(link, const struct request, in_session)->op.claim;

        steps++;
        if (claim && !claim->opener && claim->state != CLAIM_ENDED && add(w))
            put_claim(w, c, claim);
    }
    return steps;
}
