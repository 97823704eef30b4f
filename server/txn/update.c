/* update.c - changes are made in the document's own bytes.
 *
 * Each change walks from the document's head to its place, opens or closes a gap there
 * (update_splice, the one function that moves bytes, and knows the numbers of commits that lie
 * behind), writes its value into it, and then sets the head of the map or array around it. So a
 * document of any shape costs one pass and no memory. The depth is bounded by the path's steps
 * and what is left of MSGPACK_DEPTH_MAX for the value. */
#include "server/txn/update.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/txn/update_number.h"
#include "server/txn/update_read.h"

/* Where a path leads. */
struct update_place {
    bool found;
    size_t at, size; /* found: the value; else size 0, and at is where a field is to be added */
    unsigned missing; /* not found: the first step that is not there */
    bool has_holder;
    size_t holder; /* head of the map or array of the last step that was looked at */
    struct msgpack_token head; /* ... as it was read, */
    size_t head_size;          /* and its bytes */
    size_t entry;              /* found: where the value, or its field's name, begins */
};

/* Bytes from at on, old of them, become size bytes, which the caller writes. */
static void update_splice(struct update *u, size_t at, size_t old, size_t size)
{
    unsigned kept = 0;

    ASSERT(at + old <= u->size && u->size - old + size <= u->room);
    memmove(u->bytes + at + size, u->bytes + at + old, u->size - at - old);
    u->size = u->size - old + size;
    for (unsigned i = 0; i < u->commit_count; i++) {
        size_t mark = u->commits[i];

        if (mark >= at + old)
            mark = mark - old + size;
        else if (mark >= at)
            continue; /* it was in what is gone */
        u->commits[kept++] = (uint32_t)mark;
    }
    u->commit_count = kept;
}

static void update_write(struct update *u, size_t at, struct slice bytes)
{
    ASSERT(at + bytes.size <= u->size);
    if (bytes.size)
        memcpy(u->bytes + at, bytes.data, bytes.size);
}

static struct msgpack_cursor update_cursor(const struct update *u, size_t at)
{
    ASSERT(at <= u->size);
    return msgpack_open(slice_make(u->bytes + at, u->size - at));
}

static size_t update_offset(const struct update *u, const struct msgpack_cursor *c)
{
    ASSERT(c->at >= u->bytes && c->at <= u->bytes + u->size);
    return (size_t)(c->at - u->bytes);
}

/* The head of an array or map gets another count. */
static void head_set(struct update *u, const struct update_place *p, uint32_t count)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    size_t size;

    ASSERT(p->has_holder);
    size = p->head.type == MSGPACK_MAP ? msgpack_put_map_head(head, count)
                                       : msgpack_put_array_head(head, count);
    update_splice(u, p->holder, p->head_size, size);
    update_write(u, p->holder, slice_make(head, size));
}

/* ---- finding ---- */

/* c is behind the head of a map: move it to the field's value. *entry: where its name begins. */
static bool field_find(const struct update *u, struct msgpack_cursor *c, uint32_t pairs,
                       struct slice field, size_t *entry)
{
    ASSERT(c->at <= c->end);
    for (uint32_t i = 0; i < pairs; i++) {
        struct msgpack_cursor text = *c;
        struct slice name;

        *entry = update_offset(u, c);
        msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL);
        if (!msgpack_read_text(&text, &name) && slice_equal(name, field))
            return true;
        msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL);
    }
    return false;
}

/* ERR_NOT_FOUND: the value before step p->missing is not a map or an array that could have it. */
static enum err place_find(const struct update *u, const struct update_path *path,
                           struct update_place *p)
{
    struct msgpack_cursor c = update_cursor(u, 0);
    struct slice value;

    ASSERT(u->size <= u->room && path->count <= PATH_STEPS_MAX);
    memset(p, 0, sizeof *p);
    if (!u->size)
        return ERR_OK;
    for (unsigned i = 0; i < path->count; i++) {
        const struct path_step *step = &path->steps[i];
        bool is_field = !slice_is_none(step->name);

        p->missing = i;
        p->holder = update_offset(u, &c);
        p->has_holder = true;
        msgpack_read(&c, &p->head);
        p->head_size = update_offset(u, &c) - p->holder;
        if (p->head.type != (is_field ? MSGPACK_MAP : MSGPACK_ARRAY))
            return ERR_NOT_FOUND;
        if (is_field && !field_find(u, &c, p->head.count, step->name, &p->entry)) {
            p->at = update_offset(u, &c);
            return ERR_OK;
        }
        if (!is_field && step->place >= p->head.count)
            return ERR_OK;
        for (uint32_t n = 0; !is_field && n < step->place; n++)
            msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL);
        if (!is_field)
            p->entry = update_offset(u, &c);
    }
    p->found = true;
    p->at = update_offset(u, &c);
    msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value);
    p->size = value.size;
    return ERR_OK;
}

/* ---- writing ---- */

/* Where nothing is found: the field of step p->missing, maps for the steps behind it, and the
 * last one's value of size bytes, which is left to the caller. Returns where it goes. */
static size_t place_make(struct update *u, const struct update_path *path,
                         const struct update_place *p, size_t size)
{
    size_t at = p->at, bytes = size;

    ASSERT(!p->found && p->missing <= path->count);
    for (unsigned i = p->missing; i < path->count; i++) {
        uint8_t head[MSGPACK_HEAD_MAX];

        bytes += path->steps[i].name.size +
                 msgpack_put_text_head(head, (uint32_t)path->steps[i].name.size) +
                 (i > p->missing || !p->has_holder);
    }
    update_splice(u, at, 0, bytes);
    for (unsigned i = p->missing; i < path->count; i++) {
        if (i > p->missing || !p->has_holder)
            at += msgpack_put_map_head(u->bytes + at, 1);
        at += msgpack_put_text(u->bytes + at, path->steps[i].name);
    }
    return at;
}

/* Make the place hold size bytes, and copy value into them; where it is found it is replaced. */
static void place_put(struct update *u, const struct update_path *path,
                      const struct update_place *p, struct slice value)
{
    bool is_commit = slice_is_none(value);
    size_t size = is_commit ? UPDATE_COMMIT_BYTES : value.size, at = p->at;

    ASSERT(u->commit_count <= UPDATE_COMMITS_MAX);
    if (p->found)
        update_splice(u, at, p->size, size);
    else
        at = place_make(u, path, p, size);
    if (is_commit) {
        u->bytes[at] = 0xcf; /* a 64-bit number: it is as long as any */
        memset(u->bytes + at + 1, 0, UPDATE_COMMIT_BYTES - 1);
        u->commits[u->commit_count++] = (uint32_t)at;
    }
    update_write(u, at, value);
    if (!p->found && p->has_holder)
        head_set(u, p, p->head.count + 1);
}

bool update_put(struct update *u, const struct update_path *path, struct slice value)
{
    struct update_place p;

    ASSERT(value.size > 0);
    if (place_find(u, path, &p) || p.found)
        return false;
    for (unsigned i = p.missing; i < path->count; i++) {
        if (slice_is_none(path->steps[i].name))
            return false; /* no array is made for it */
    }
    place_put(u, path, &p, value);
    return true;
}

/* ---- the operators ---- */

/* A value that is not there yet can be made where only fields are missing. */
static enum err place_check(const struct update_change *change, const struct update_place *p,
                            struct failure *f)
{
    const struct update_path *path = &change->path;

    ASSERT(p->found || p->missing <= change->path.count);
    if (p->found)
        return ERR_OK;
    for (unsigned i = p->missing; i < path->count; i++) {
        if (!slice_is_none(path->steps[i].name))
            continue;
        if (i == p->missing && p->has_holder)
            return update_refuse(
                f, ERR_BAD_VALUE, change,
                "step %u: an array of %u elements has no element %u; append adds one", i + 1,
                p->head.count, path->steps[i].place);
        return update_refuse(f, ERR_BAD_VALUE, change,
                             "step %u is an element of an array that does not exist", i + 1);
    }
    return ERR_OK;
}

/* The containers around a value, and those in it, are at most MSGPACK_DEPTH_MAX. */
static enum err depth_check(const struct update_change *change, unsigned around,
                            struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(change->value);

    ASSERT(around <= MSGPACK_DEPTH_MAX);
    if (slice_is_none(change->value) || !msgpack_skip(&c, MSGPACK_DEPTH_MAX - around, NULL))
        return ERR_OK;
    return update_refuse(f, ERR_BAD_VALUE, change,
                         "the record would be nested more than %u "
                         "levels deep",
                         MSGPACK_DEPTH_MAX);
}

static void unset(struct update *u, const struct update_place *p)
{
    ASSERT(!p->found || (p->has_holder && p->head.count > 0));
    if (!p->found)
        return;
    update_splice(u, p->entry, p->at + p->size - p->entry, 0);
    head_set(u, p, p->head.count - 1);
}

static enum err add(struct update *u, const struct update_change *change,
                    const struct update_place *p, struct failure *f)
{
    struct msgpack_cursor at_old = update_cursor(u, p->at),
                          at_new = msgpack_open(change->value);
    struct msgpack_token old = {.type = MSGPACK_UINT, .uint = 0}, by;
    uint8_t sum[MSGPACK_HEAD_MAX];
    const char *why = "";
    size_t size;

    ASSERT(change->what == UPDATE_ADD);
    if (p->found)
        msgpack_read(&at_old, &old);
    msgpack_read(&at_new, &by);
    if (old.type != MSGPACK_UINT && old.type != MSGPACK_INT && old.type != MSGPACK_FLOAT)
        return update_refuse(f, ERR_BAD_VALUE, change,
                             "expected a number in the record, found %s", update_kind(&old));
    if (!p->found) {
        place_put(u, &change->path, p, change->value);
        return ERR_OK;
    }
    size = update_add(&old, &by, sum, &why);
    if (!size)
        return update_refuse(f, ERR_BAD_VALUE, change, "%s", why);
    place_put(u, &change->path, p, slice_make(sum, size));
    return ERR_OK;
}

static enum err least_or_greatest(struct update *u, const struct update_change *change,
                                  const struct update_place *p, struct failure *f)
{
    int order = 1;

    ASSERT(change->what == UPDATE_MIN || change->what == UPDATE_MAX);
    if (p->found &&
        !update_compare(slice_make(u->bytes + p->at, p->size), change->value, &order)) {
        struct msgpack_cursor at_old = update_cursor(u, p->at),
                              at_new = msgpack_open(change->value);
        struct msgpack_token old = {.type = MSGPACK_NIL}, new = {.type = MSGPACK_NIL};

        msgpack_read(&at_old, &old);
        msgpack_read(&at_new, &new);
        return update_refuse(f, ERR_BAD_VALUE, change,
                             "the record has %s there, which cannot be compared with %s",
                             update_kind(&old), update_kind(&new));
    }
    if (!p->found || (change->what == UPDATE_MIN ? order > 0 : order < 0))
        place_put(u, &change->path, p, change->value);
    return ERR_OK;
}

/* The value at p gets another head, and more bytes at its end. */
static void extend(struct update *u, const struct update_place *p, size_t old_head,
                   struct slice head, struct slice more)
{
    ASSERT(old_head <= p->size);
    update_splice(u, p->at + p->size, 0, more.size);
    update_write(u, p->at + p->size, more);
    update_splice(u, p->at, old_head, head.size);
    update_write(u, p->at, head);
}

static enum err append(struct update *u, const struct update_change *change,
                       const struct update_place *p, struct failure *f)
{
    struct msgpack_cursor c = update_cursor(u, p->at), at_more = msgpack_open(change->value);
    uint8_t head[MSGPACK_HEAD_MAX];
    struct msgpack_token old, more;
    struct slice tail = change->value;
    size_t size, old_head;

    ASSERT(change->what == UPDATE_APPEND);
    if (!p->found) { /* an array of it */
        struct update_place made;

        head[0] = 0x90;
        place_put(u, &change->path, p, slice_make(head, 1));
        place_find(u, &change->path, &made);
        ASSERT(made.found);
        return append(u, change, &made, f);
    }
    msgpack_read(&c, &old);
    msgpack_read(&at_more, &more);
    old_head = update_offset(u, &c) - p->at - (old.type == MSGPACK_ARRAY ? 0 : old.bytes.size);
    if (old.type == MSGPACK_ARRAY) {
        size = msgpack_put_array_head(head, old.count + 1);
    } else if ((old.type == MSGPACK_TEXT || old.type == MSGPACK_BINARY) &&
               more.type == old.type) {
        uint64_t whole = (uint64_t)old.bytes.size + more.bytes.size;

        if (whole > UINT32_MAX) /* no frame brings so much */
            return update_refuse(f, ERR_BAD_VALUE, change,
                                 "the result would be larger than 4 "
                                 "GiB");
        tail = more.bytes;
        size = old.type == MSGPACK_TEXT ? msgpack_put_text_head(head, (uint32_t)whole)
                                        : msgpack_put_binary_head(head, (uint32_t)whole);
    } else {
        return update_refuse(f, ERR_BAD_VALUE, change,
                             "the record has %s there, to which %s cannot be appended",
                             update_kind(&old), update_kind(&more));
    }
    extend(u, p, old_head, slice_make(head, size), tail);
    return ERR_OK;
}

static enum err commit(struct update *u, const struct update_change *change,
                       const struct update_place *p, struct failure *f)
{
    unsigned before = u->commit_count;

    ASSERT(u->commit_count <= UPDATE_COMMITS_MAX);
    /* one that it replaces does not count */
    for (unsigned i = 0; p->found && i < u->commit_count; i++)
        before -= u->commits[i] >= p->at && u->commits[i] < p->at + p->size;
    if (before == UPDATE_COMMITS_MAX) {
        update_refuse(f, ERR_BAD_VALUE, change,
                      "at most %u commit numbers can be put into a record at once",
                      UPDATE_COMMITS_MAX);
        return ERR_BAD_VALUE;
    }
    place_put(u, &change->path, p, SLICE_NONE);
    return ERR_OK;
}

static enum err change_make(struct update *u, const struct update_change *change,
                            struct failure *f)
{
    struct update_place p;
    enum err e = place_find(u, &change->path, &p);

    ASSERT(change->path.count <= PATH_STEPS_MAX);
    if (change->what == UPDATE_UNSET) {
        if (!e)
            unset(u, &p);
        return ERR_OK;
    }
    if (e)
        return update_refuse(
            f, ERR_BAD_VALUE, change, "step %u expects %s, the record has %s", p.missing + 1,
            slice_is_none(change->path.steps[p.missing].name) ? "an element of an array"
                                                              : "a field of a map",
            update_kind(&p.head));
    e = place_check(change, &p, f);
    if (!e)
        e = depth_check(change, change->path.count + (change->what == UPDATE_APPEND), f);
    if (e)
        return e;
    switch (change->what) {
    case UPDATE_ADD: return add(u, change, &p, f);
    case UPDATE_MIN:
    case UPDATE_MAX: return least_or_greatest(u, change, &p, f);
    case UPDATE_APPEND: return append(u, change, &p, f);
    case UPDATE_COMMIT: return commit(u, change, &p, f);
    default: place_put(u, &change->path, &p, change->value); return ERR_OK;
    }
}

static enum err size_check(const struct update *u, struct failure *f)
{
    ASSERT(u->size <= u->room);
    if (u->size <= u->bytes_max)
        return ERR_OK;
    return failure_set_limit(f, "value-size", u->bytes_max, u->size,
                             "the record would have %zu bytes; the limit is %zu (value-size)",
                             u->size, u->bytes_max);
}

enum err update_apply(struct update *u, struct slice changes, struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(changes);
    uint64_t work = 0;
    uint32_t count = 0;
    enum err e = ERR_OK;

    ASSERT(u->size <= u->room);
    msgpack_read_array(&c, &count);
    for (uint32_t i = 0; i < count && !e; i++) {
        struct update_change change;

        work += u->size;
        if (i && work > u->work_max)
            return failure_set_limit(f, "update-work", u->work_max, work,
                                     "update: the first %u changes process %llu bytes of the "
                                     "record; the limit is "
                                     "%llu (update-work); make fewer changes at once",
                                     i + 1, (unsigned long long)work,
                                     (unsigned long long)u->work_max);
        e = update_change_read(&c, i + 1, &change, f);
        if (!e)
            e = change_make(u, &change, f);
        if (!e)
            e = size_check(u, f);
    }
    if (!e && !u->size) { /* a record without anything in it */
        update_splice(u, 0, 0, 1);
        msgpack_put_map_head(u->bytes, 0);
    }
    return e;
}

void update_fill_commits(struct update *u, uint64_t commit)
{
    ASSERT(u->commit_count <= UPDATE_COMMITS_MAX && commit > 0);
    for (unsigned i = 0; i < u->commit_count; i++) {
        ASSERT(u->commits[i] + UPDATE_COMMIT_BYTES <= u->size &&
               u->bytes[u->commits[i]] == 0xcf);
        bytes_put_be64(u->bytes + u->commits[i] + 1, commit);
    }
}

bool update_commit_is_at(const struct update *u, const struct update_path *path)
{
    struct update_place p;
    enum err e = u->commit_count ? place_find(u, path, &p) : ERR_END;
    size_t from, to;

    ASSERT(u->commit_count <= UPDATE_COMMITS_MAX);
    if (e == ERR_END || (!e && !p.found))
        return false;
    from = e ? p.holder : p.at; /* what ends the path is a number itself, or holds one */
    to = e ? p.holder + 1 : p.at + p.size;
    for (unsigned i = 0; i < u->commit_count; i++) {
        if (u->commits[i] >= from && u->commits[i] < to)
            return true;
    }
    return false;
}
