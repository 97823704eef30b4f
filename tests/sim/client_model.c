/* client_model.c - see client_model.h.
 *
 * Time is a count of messages. A write of a cell happens somewhere between the request that
 * commits it and that request's answer; a read may tell of any write that no other one is sure to
 * have come after and to have been answered before the read was asked for. */
#include "tests/sim/client_model_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void model_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "broken promise: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    abort();
}

void model_say(const struct model_client *c, const char *direction,
               const msgpack_object *message)
{
    static int says = -1;
    unsigned i = 0;

    if (says < 0)
        says = getenv("MODEL_SAY") != NULL;
    if (!says)
        return;
    while (c->model->clients[i] != c)
        i++;
    fprintf(stderr, "%6llu connection %u %s ", (unsigned long long)c->model->now, i, direction);
    msgpack_object_print(stderr, *message);
    fprintf(stderr, "\n");
}

void *model_more(void *array, unsigned count, size_t size)
{
    if (count & (count - 1))
        return array; /* grown at each power of two */
    array = realloc(array, (count ? 2 * (size_t)count : 1) * size);
    if (!array)
        abort();
    return array;
}

struct model *model_new(void)
{
    struct model *m = calloc(1, sizeof *m);

    if (!m)
        abort();
    return m;
}

static void request_free(struct model_request *r)
{
    free(r->effects);
    free(r);
}

static void client_free(struct model_client *c)
{
    for (unsigned i = 0; i < c->request_count; i++)
        request_free(c->requests[i]);
    free(c->requests);
    free(c->handles);
    free(c->cursors);
    buffer_fini(&c->out);
    buffer_fini(&c->in);
    free(c);
}

void model_free(struct model *m)
{
    for (unsigned i = 0; i < m->client_count; i++)
        client_free(m->clients[i]);
    for (unsigned i = 0; i < m->txn_count; i++) {
        free(m->txns[i]->pending);
        free(m->txns[i]);
    }
    for (unsigned i = 0; i < MODEL_STORES * MODEL_KEYS; i++)
        free(m->cells[i / MODEL_KEYS][i % MODEL_KEYS].writes);
    free(m->clients);
    free(m->txns);
    buffer_fini(&m->said);
    free(m);
}

struct model_client *model_connect(struct model *m, uint64_t frame_bytes_max)
{
    struct model_client *c = calloc(1, sizeof *c);

    if (!c)
        abort();
    c->model = m;
    c->frame_bytes_max = frame_bytes_max;
    m->clients = model_more(m->clients, m->client_count, sizeof(*m->clients));
    m->clients[m->client_count++] = c;
    return c;
}

void model_hide(struct model_client *c, const char *const *words)
{
    c->hidden = words;
}

/* ---- cells ---- */

int model_store_of(struct model *m, const msgpack_object *name)
{
    struct slice s;
    unsigned i;

    if (name->type != MSGPACK_OBJECT_STR || name->via.str.size == 0 ||
        name->via.str.size > sizeof m->stores[0].name)
        return -1;
    s = slice_make(name->via.str.ptr, name->via.str.size);
    for (i = 0; i < m->store_count; i++)
        if (slice_equal(slice_make(m->stores[i].name, m->stores[i].size), s))
            return (int)i;
    if (i == MODEL_STORES)
        return -1;
    memcpy(m->stores[i].name, s.data, s.size);
    m->stores[i].size = s.size;
    m->store_count++;
    return (int)i;
}

int model_key_of(const msgpack_object *key)
{
    if (key->type == MSGPACK_OBJECT_POSITIVE_INTEGER && key->via.u64 < MODEL_KEYS)
        return (int)key->via.u64;
    if ((key->type == MSGPACK_OBJECT_FLOAT32 || key->type == MSGPACK_OBJECT_FLOAT64) &&
        key->via.f64 >= 0 && key->via.f64 < MODEL_KEYS && key->via.f64 == (int)key->via.f64)
        return (int)key->via.f64;
    return -1;
}

uint64_t model_value_of(const msgpack_object *value)
{
    const msgpack_object *n = model_field(value, "n");

    return n && n->type == MSGPACK_OBJECT_POSITIVE_INTEGER && n->via.u64 ? n->via.u64
                                                                         : MODEL_UNKNOWN;
}

const msgpack_object *model_field(const msgpack_object *map, const char *name)
{
    if (map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];

        if (pair->key.type == MSGPACK_OBJECT_STR &&
            slice_equal(slice_make(pair->key.via.str.ptr, pair->key.via.str.size),
                        slice_text(name)))
            return &pair->val;
    }
    return NULL;
}

static void cell_write(struct model *m, const struct model_effect *e,
                       const struct model_write *write)
{
    struct model_cell *cell;

    if (e->store < 0)
        return;
    if (e->key < 0 || e->n == MODEL_UNKNOWN) {
        for (int k = 0; k < MODEL_KEYS; k++)
            if (e->key < 0 || k == e->key)
                m->cells[e->store][k].is_unknown = true;
        return;
    }
    cell = &m->cells[e->store][e->key];
    cell->writes = model_more(cell->writes, cell->count, sizeof *cell->writes);
    cell->writes[cell->count] = *write;
    cell->writes[cell->count++].n = e->n;
}

/* What these effects have written happened between start and end (MODEL_NEVER: if at all). */
void model_apply(struct model *m, const struct model_effect *effects, unsigned count,
                 uint64_t start, uint64_t end, bool interval)
{
    struct model_write write = {.start = start, .end = end, .interval = interval};

    for (unsigned i = 0; i < count; i++) {
        struct model_effect e = effects[i];

        if (e.whole_store) /* each key of it, with the same value: none */
            for (e.key = 0; e.key < MODEL_KEYS; e.key++)
                cell_write(m, &e, &write);
        else
            cell_write(m, &e, &write);
    }
}

static bool can_be_seen(const struct model_cell *cell, uint64_t start, uint64_t end,
                        uint64_t asked)
{
    for (unsigned i = 0; i < cell->count; i++) {
        const struct model_write *other = &cell->writes[i];

        if (other->start > end && other->end < asked)
            return false;
    }
    return start < MODEL_NEVER;
}

static bool effects_have(const struct model_effect *effects, unsigned count, int store, int key,
                         uint64_t n)
{
    for (unsigned i = 0; i < count; i++) {
        const struct model_effect *e = &effects[i];

        if (e->store == store &&
            (e->key == key || e->key < 0 || e->whole_store || e->key_told) &&
            (e->n == n || e->n == MODEL_UNKNOWN))
            return true;
    }
    return false;
}

/* A write of n whose answer is on its way: the bytes of two connections arrive in any order. */
static bool is_on_its_way(struct model *m, int store, int key, uint64_t n)
{
    for (unsigned i = 0; i < m->client_count; i++) {
        struct model_client *c = m->clients[i];

        for (unsigned j = 0; j < c->request_count; j++) {
            struct model_request *r = c->requests[j];

            if (effects_have(r->effects, r->effect_count, store, key, n) ||
                (r->is_commit && r->txn &&
                 effects_have(r->txn->pending, r->txn->pending_count, store, key, n))) {
                r->is_told = !(r->txn ? r->txn->interval : r->interval);
                return true;
            }
        }
    }
    return false;
}

/* A read that was asked for at that time told n (0: there is none). M-5. */
void model_judge_read(struct model *m, int store, int key, uint64_t n, uint64_t asked)
{
    struct model_cell *cell = &m->cells[store][key];

    if (cell->is_unknown || m->is_blind)
        return;
    if (n == 0 && can_be_seen(cell, 0, 0, asked))
        return;
    for (unsigned i = 0; i < cell->count; i++) {
        struct model_write *w = &cell->writes[i];

        if (w->n == n && can_be_seen(cell, w->start, w->end, asked)) {
            if (w->end > m->now && !w->interval)
                w->end = m->now; /* told to somebody: it cannot be lost any more */
            return;
        }
    }
    if (is_on_its_way(m, store, key, n))
        return;
    for (unsigned i = 0; i < cell->count; i++)
        fprintf(stderr, "  write of %llu between %llu and %llu%s\n",
                (unsigned long long)cell->writes[i].n,
                (unsigned long long)cell->writes[i].start,
                (unsigned long long)cell->writes[i].end,
                cell->writes[i].interval ? ", interval" : "");
    model_fail("store \"%.*s\" key %d reads as %llu, asked at %llu (M-5)",
               (int)m->stores[store].size, m->stores[store].name, key, (unsigned long long)n,
               (unsigned long long)asked);
}

/* ---- ends ---- */

void model_remove_request(struct model_client *c, unsigned at)
{
    request_free(c->requests[at]);
    memmove(&c->requests[at], &c->requests[at + 1],
            (--c->request_count - at) * sizeof(*c->requests));
}

/* What was not answered may have happened. */
static void leave_open(struct model_client *c)
{
    struct model *m = c->model;

    for (unsigned i = 0; i < c->request_count; i++) {
        struct model_request *r = c->requests[i];
        uint64_t end = r->is_told ? m->now : MODEL_NEVER; /* told, it cannot be lost any more */

        if (!r->txn)
            model_apply(m, r->effects, r->effect_count, r->sent, end, r->interval);
        else
            for (unsigned j = 0; j < r->effect_count; j++)
                model_pend(r->txn, &r->effects[j]);
        if (r->txn && r->is_commit)
            model_apply(m, r->txn->pending, r->txn->pending_count, r->sent, end,
                        r->txn->interval);
    }
    while (c->request_count)
        model_remove_request(c, c->request_count - 1);
    c->handle_count = c->cursor_count = 0;
    c->is_over = true;
}

static void say_event(const struct model_client *c, const char *event)
{
    msgpack_object o = {.type = MSGPACK_OBJECT_STR,
                        .via.str = {.size = (uint32_t)strlen(event), .ptr = event}};

    model_say(c, "--", &o);
}

void model_sent_eof(struct model_client *c)
{
    c->eof = true;
    say_event(c, "closes its side");
}

void model_cut(struct model_client *c)
{
    if (!c->is_over)
        leave_open(c);
    say_event(c, "is cut");
}

void model_ended(struct model_client *c, bool may_stop)
{
    say_event(c, "has been closed by the server");
    if (c->is_over)
        return;
    if (!may_stop && !c->is_broken && !c->out.size) {
        if (!c->eof)
            model_fail("the server has closed a connection without a reason");
        for (unsigned i = 0; i < c->request_count; i++)
            model_fail("msgid %u was never answered (M-1)", c->requests[i]->msgid);
    }
    if (c->in.size)
        model_fail("the last answer ends in its middle (M-2)");
    leave_open(c);
}

void model_life_ended(struct model *m, bool is_clean)
{
    for (unsigned i = 0; i < m->client_count; i++)
        model_cut(m->clients[i]);
    if (is_clean)
        return;
    for (unsigned i = 0; i < m->txn_count; i++)
        m->txns[i]->version = 0; /* may be given again */
    for (unsigned i = 0; i < MODEL_STORES * MODEL_KEYS; i++) {
        struct model_cell *cell = &m->cells[i / MODEL_KEYS][i % MODEL_KEYS];

        for (unsigned j = 0; j < cell->count; j++)
            if (cell->writes[j].interval)
                cell->writes[j].end = MODEL_NEVER;
    }
}

/* ---- for who makes requests ---- */

unsigned model_in_flight(const struct model_client *c)
{
    return c->request_count;
}

uint32_t model_open_handle(const struct model_client *c, unsigned nth)
{
    for (unsigned i = 0; i < c->handle_count; i++) {
        const struct model_handle *h = &c->handles[(nth + i) % c->handle_count];

        if (!h->txn->end_sent)
            return h->t;
    }
    return 0;
}

uint32_t model_waiting(const struct model_client *c, unsigned nth)
{
    for (unsigned i = 0; i < c->request_count; i++) {
        const struct model_request *r = c->requests[(i + nth) % c->request_count];

        if (r->txn)
            return r->msgid;
    }
    return c->request_count ? c->requests[nth % c->request_count]->msgid : 0;
}

uint32_t model_cursor(const struct model_client *c)
{
    return c->cursor_count ? c->cursors[c->cursor_count - 1].number : 0;
}

uint64_t model_version(const struct model *m, unsigned nth)
{
    return m->txn_count ? m->txns[nth % m->txn_count]->version : 0;
}

bool model_nth_cell(const struct model *m, unsigned nth, struct slice *store, unsigned *key)
{
    for (unsigned i = 0; i < MODEL_STORES * MODEL_KEYS; i++) {
        const struct model_cell *cell = &m->cells[i / MODEL_KEYS][i % MODEL_KEYS];

        if (!cell->count || cell->is_unknown || nth-- > 0)
            continue;
        *store = slice_make(m->stores[i / MODEL_KEYS].name, m->stores[i / MODEL_KEYS].size);
        *key = i % MODEL_KEYS;
        return true;
    }
    return false;
}
