/* Walks of ranges, row by row. */
#include "tests/sim/life_internal.h"

size_t actor_range(const struct actor *a, uint8_t room[64])
{
    size_t size = msgpack_put_map_head(room, 2);

    size += msgpack_put_text(room + size, slice_text("gte"));
    size += msgpack_put_uint(room + size, a->key);
    size += msgpack_put_text(room + size, slice_text("lt"));
    size += msgpack_put_uint(room + size, a->key_to);
    return size;
}

static unsigned scan_key(const struct actor *a, unsigned i)
{
    return a->reverse ? a->key_to - 1 - i : a->key + i;
}

/* The scan gave a row (or its end): is it what comes next? */
static void scan_check(struct life *l, struct actor *a, const struct cursor_row *row)
{
    uint64_t expected = 0, decided, got_key;
    unsigned key = 0;

    if (!a->autocommit && a->is_doomed && l->is_late)
        return; /* what it has written since is not kept: it will know at its commit */
    while (a->scan_at < a->key_to - a->key && !expected) {
        key = scan_key(a, a->scan_at++);
        expected = actor_expect(l, a, a->store, key, actor_at(a), &decided);
        actor_read(l, a, a->store, key);
        if (expected && a->scan_offset) {
            a->scan_offset--;
            expected = 0;
        }
    }
    if (!row) {
        LIFE_CHECK(l, !expected, "a scan of store %u ended before key %u", a->store, key);
        a->scan_offset = 0; /* there were fewer rows to pass over */
        return;
    }
    {
        struct msgpack_cursor c = msgpack_open(row->key);

        LIFE_CHECK(l, msgpack_read_uint(&c, &got_key) == ERR_OK, "a scan gave a strange key");
    }
    LIFE_CHECK(l, expected && got_key == key && life_read_value(l, row->value) == expected,
               "a scan of store %u at %llu gave key %llu, the model key %u (value %llu)",
               a->store, (unsigned long long)actor_at(a), (unsigned long long)got_key, key,
               (unsigned long long)expected);
    life_reply(l, a, decided);
}

/* Turn round (the last row comes again), or go on from a key. */
static enum err scan_move(struct life *l, struct actor *a)
{
    unsigned rows = a->key_to - a->key, to;
    uint8_t room[16];

    a->scan_turns--;
    l->counts->turns++;
    if (sim_chance(l->sim, 50)) {
        a->reverse = !a->reverse;
        cursor_set_direction(a->cursor, a->reverse);
        a->scan_at = rows - a->scan_at;
        return ERR_OK;
    }
    to = (unsigned)sim_random(l->sim, MODEL_KEYS);
    if (to < a->key)
        a->scan_at = 0;
    else
        a->scan_at = to >= a->key_to ? rows : to - a->key + a->reverse; /* the key included */
    if (a->reverse)
        a->scan_at = rows - a->scan_at;
    return cursor_move_to(&a->op, a->cursor, life_key(to, room));
}

static void scan_page_begins(struct actor *a)
{
    cursor_rest(a->cursor);
    cursor_mark(a->cursor);
    a->page.at = a->scan_at;
    a->page.offset = a->scan_offset;
    a->page.limit = a->limit;
    a->page.reverse = a->reverse;
}

/* The page is given up, and comes again. */
static void scan_page_again(struct life *l, struct actor *a)
{
    op_release(&a->op);
    cursor_back(a->cursor);
    a->scan_at = a->page.at;
    a->scan_offset = a->page.offset;
    a->limit = a->page.limit;
    a->reverse = a->page.reverse;
    l->counts->pages_again++;
}

/* If no row is ahead, as it says, the model has none either. */
static void scan_look(struct life *l, struct actor *a)
{
    unsigned at = a->scan_at;
    uint64_t offset = a->scan_offset;

    if (cursor_look(&a->op, a->cursor) != ERR_END)
        return;
    scan_check(l, a, NULL);
    a->scan_at = at;
    a->scan_offset = offset;
}

enum err scan_step(struct life *l, struct actor *a, struct txn *t)
{
    struct cursor_options options = {
        .reverse = a->reverse, .limit = a->limit, .offset = a->scan_offset, .runs = true};
    uint8_t range[64];
    enum err e = ERR_OK;

    if (!a->cursor)
        e = cursor_open(&a->op, t, life_store_name(a->store),
                        slice_make(range, actor_range(a, range)), &options, &a->cursor);
    else if (sim_chance(l->sim, 10))
        scan_page_again(l, a); /* where it had to wait */
    if (!e && a->cursor && !a->scan_begun)
        scan_page_begins(a);
    a->scan_begun = a->cursor != NULL;
    while (!e) {
        struct cursor_row row;

        e = cursor_next(&a->op, a->cursor, &row);
        if (e == ERR_OK) {
            LIFE_CHECK(l, a->limit, "a scan gave more rows than its limit");
            scan_check(l, a, &row);
            a->limit -= a->limit != UINT64_MAX;
        } else if (e == ERR_END && a->limit) {
            scan_check(l, a, NULL);
            a->scan_offset = 0; /* so many rows were passed over as there were */
        }
        if (e == ERR_OK && sim_chance(l->sim, 10))
            scan_page_begins(a);
        if ((e == ERR_OK || e == ERR_END) && sim_chance(l->sim, 3)) {
            scan_page_again(l, a);
            e = ERR_OK;
        }
        if (e == ERR_OK && a->limit && sim_chance(l->sim, 10))
            scan_look(l, a);
        if (e && e != ERR_LOG_FAILED && e != ERR_WAIT && e != ERR_END && !a->serializable &&
            actor_excuses(l, a, e) && sim_chance(l->sim, 50)) {
            scan_page_again(l, a);
            e = ERR_OK;
        }
        if ((e == ERR_OK || e == ERR_END) && a->scan_turns && sim_chance(l->sim, 30))
            e = scan_move(l, a);
    }
    return e;
}

void scan_finish(struct life *l, struct actor *a, enum err e)
{
    if (a->cursor)
        cursor_close(a->cursor);
    a->cursor = NULL;
    if (e == ERR_END) {
        l->counts->scans++;
        return;
    }
    if (judge_common(l, a, e))
        return;
    judge_no_store(l, a, e, actor_at(a));
    LIFE_CHECK(l, !actor_has_store(l, a), "a scan found no store");
}
