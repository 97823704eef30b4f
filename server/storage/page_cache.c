/* page_cache.c - the table of unpacked pages, its clock, loads and waits. */
#include "server/storage/page_cache.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"

#define TABLE_FIRST 256u
#define LEAVES_MIN 4096u
#define LEAVES_MAX (1u << 22)
#define READ_TRIES 3 /* of a start: a read that fails once may fail by chance */

/* A page on its way in. */
struct load {
    struct os_job job;
    struct page_cache *cache;
    struct page_ptr ptr;
    uint32_t store;
    unsigned level;
    struct list_link in_loads;
    struct list_link tickets;    /* those who wait */
    struct page_scratch scratch; /* the job's */
    struct page *page;           /* the job's answer */
    enum err result;
    const char *why; /* static text */
};

/* One wait's share in a load. Once the load has failed it stays with the wait to say so. */
struct ticket {
    struct list_link in_wait;
    struct list_link in_load; /* unlinked once the load is over */
    struct wait *wait;
    struct wait_pin *pin;   /* made ahead, so that the end of the load cannot fail */
    uint64_t offset, birth; /* of the page */
    enum err result;        /* ERR_WAIT while the load is out */
    const char *why;
};

static uint64_t page_hash(uint64_t offset, uint64_t birth)
{
    uint64_t h = offset * UINT64_C(0x9e3779b97f4a7c15) ^ birth * UINT64_C(0xd6e8feb86659fd93);

    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 29;
}

/* ---- the table ---- */

enum err cache_init(struct page_cache *c, struct os *os, struct os_file *file, uint64_t limit,
                    uint32_t page_bytes)
{
    ASSERT(page_bytes > 0);
    memset(c, 0, sizeof *c);
    list_init(&c->clock);
    list_init(&c->ready);
    for (unsigned i = 0; i < CACHE_LOAD_BUCKETS; i++)
        list_init(&c->loads[i]);
    c->os = os;
    c->file = file;
    c->limit = limit;
    c->table_size = TABLE_FIRST;
    c->table = os_alloc(os, c->table_size * sizeof(struct page *));
    c->leaves_size = LEAVES_MIN;
    while (c->leaves_size < LEAVES_MAX && c->leaves_size < 4 * (limit / page_bytes))
        c->leaves_size *= 2;
    c->leaves = os_alloc(os, c->leaves_size);
    ASSERT((c->leaves_size & (c->leaves_size - 1)) == 0);
    if (!c->table || !c->leaves)
        return ERR_NOMEM;
    memset(c->table, 0, c->table_size * sizeof(struct page *));
    memset((void *)c->leaves, 0, c->leaves_size);
    return ERR_OK;
}

static struct page *table_find(struct page_cache *c, uint64_t offset, uint64_t birth)
{
    struct page *page = c->table[page_hash(offset, birth) & (c->table_size - 1)];

    ASSERT((c->table_size & (c->table_size - 1)) == 0);
    while (page && (page->offset != offset || page->birth != birth))
        page = page->hash_next;
    ASSERT(!page || list_is_linked(&page->in_clock)); /* P-1 */
    return page;
}

/* Twice the table when it is full; it works on, slower, when there is no memory. */
static void table_grow(struct page_cache *c)
{
    size_t size = 2 * c->table_size;
    struct page **table = os_alloc(c->os, size * sizeof *table);

    ASSERT(c->pages > c->table_size);
    if (!table)
        return;
    memset(table, 0, size * sizeof *table);
    LIST_EACH (link, &c->clock) {
        struct page *page = LIST_ENTRY(link, struct page, in_clock);
        struct page **chain = &table[page_hash(page->offset, page->birth) & (size - 1)];

        page->hash_next = *chain;
        *chain = page;
    }
    os_free(c->os, c->table, c->table_size * sizeof *table);
    c->table = table;
    c->table_size = size;
}

/* Count the leaf in or out for the merge lane. A full counter stays full: a wrong "likely" is
 * no harm. */
static void leaves_note(struct page_cache *c, const struct page *page, int step)
{
    ASSERT(step == 1 || step == -1);
    _Atomic uint8_t *count;
    uint8_t n;

    if (page->level)
        return;
    count = &c->leaves[page_hash(page->offset, page->birth) & (c->leaves_size - 1)];
    n = atomic_load_explicit(count, memory_order_relaxed);
    ASSERT(n > 0 || step > 0);
    if (n != UINT8_MAX)
        atomic_store_explicit(count, (uint8_t)(n + step), memory_order_relaxed);
}

bool cache_was_leaf(struct page_cache *c, uint64_t offset, uint64_t birth)
{
    size_t i = page_hash(offset, birth) & (c->leaves_size - 1);

    return atomic_load_explicit(&c->leaves[i], memory_order_relaxed) != 0;
}

struct page *cache_insert_take(struct page_cache *c, struct page *page)
{
    struct page *old = table_find(c, page->offset, page->birth);
    struct page **chain;

    ASSERT(!page->pins && !page->home);
    ASSERT(page->count > 0 && !list_is_linked(&page->in_clock));
    if (old) {
        page_free(c->os, page);
        return old;
    }
    chain = &c->table[page_hash(page->offset, page->birth) & (c->table_size - 1)];
    page->hash_next = *chain;
    *chain = page;
    list_push_back(&c->clock, &page->in_clock);
    c->bytes += page->memory;
    c->pages++;
    leaves_note(c, page, 1);
    if (c->pages > c->table_size)
        table_grow(c);
    ASSERT(c->bytes >= page->memory && c->pages > 0); /* P-1 */
    return page;
}

static void page_drop(struct page_cache *c, struct page *page)
{
    struct page **at = &c->table[page_hash(page->offset, page->birth) & (c->table_size - 1)];

    ASSERT(page->pins == 0);                                 /* P-3 */
    ASSERT(c->pages && c->bytes >= page->memory);            /* P-1 */
    ASSERT(!page->home || *page->home == page);              /* P-2 */
    while (*at != page) {
        ASSERT(*at); /* P-1 */
        at = &(*at)->hash_next;
    }
    *at = page->hash_next;
    if (page->home)
        *page->home = NULL;
    if (page->level)
        for (uint32_t i = 0; i < page->count; i++)
            if (page->cached[i])
                page->cached[i]->home = NULL;
    list_remove(&page->in_clock);
    leaves_note(c, page, -1);
    c->bytes -= page->memory;
    c->pages--;
    page_free(c->os, page);
}

void cache_trim_now(struct page_cache *c)
{
    size_t steps = 2 * c->pages;

    ASSERT((c->pages == 0) == list_is_empty(&c->clock)); /* P-1 */
    while (c->bytes > c->limit && steps-- > 0) {
        struct list_link *link = list_first(&c->clock);
        struct page *page = LIST_ENTRY(link, struct page, in_clock);

        if (page->pins || page->touched) {
            page->touched = false;
            list_remove(link);
            list_push_back(&c->clock, link);
        } else {
            page_drop(c, page);
        }
    }
}

/* ---- pins ---- */

static struct wait_pin *pin_new(struct page_cache *c)
{
    struct wait_pin *pin = c->spare;

    ASSERT((c->spare == NULL) == (c->spare_count == 0));
    if (!pin)
        return os_alloc(c->os, sizeof *pin);
    ASSERT(c->spare_count);
    c->spare = pin->next;
    c->spare_count--;
    return pin;
}

static void pin_free(struct page_cache *c, struct wait_pin *pin)
{
    ASSERT(c->spare_count <= CACHE_SPARE_MAX);
    if (c->spare_count == CACHE_SPARE_MAX) {
        os_free(c->os, pin, sizeof *pin);
        return;
    }
    pin->next = c->spare;
    c->spare = pin;
    c->spare_count++;
}

static void pin_take(struct wait_pin *pin, struct page *page, struct wait *w)
{
    ASSERT(list_is_linked(&page->in_clock)); /* P-1 */
    pin->page = page;
    page->pins++;
    pin->next = w->pins;
    w->pins = pin;
    ASSERT(page->pins > 0);
}

enum err cache_pin_wait(struct page_cache *c, struct page *page, struct wait *w)
{
    struct wait_pin *pin;

    if (w->pins && w->pins->page == page)
        return ERR_OK;
    pin = pin_new(c);
    if (!pin)
        return ERR_NOMEM;
    pin_take(pin, page, w);
    return ERR_OK;
}

/* ---- waits ---- */

static void ticket_free(struct page_cache *c, struct ticket *t)
{
    ASSERT(t->result != ERR_WAIT || !t->wait || !list_is_linked(&t->in_load) ||
           t->wait->pending);
    list_remove(&t->in_wait);
    list_remove(&t->in_load);
    if (t->pin)
        pin_free(c, t->pin);
    os_free(c->os, t, sizeof *t);
}

static void wait_ready(struct page_cache *c, struct wait *w)
{
    bool first = list_is_empty(&c->ready);

    ASSERT(w->wake);
    if (list_is_linked(&w->in_ready))
        return;
    list_push_back(&c->ready, &w->in_ready);
    if (first && c->on_ready)
        c->on_ready(c->on_ready_context);
}

void cache_wait_release(struct page_cache *c, struct wait *w)
{
    while (!list_is_empty(&w->loads))
        ticket_free(c, LIST_ENTRY(list_first(&w->loads), struct ticket, in_wait));
    while (w->pins) {
        struct wait_pin *pin = w->pins;

        w->pins = pin->next;
        cache_unpin(pin->page);
        pin_free(c, pin);
    }
    ASSERT(list_is_empty(&w->loads) && !w->pins);
    w->pending = 0;
    list_remove(&w->in_ready);
    ASSERT(!list_is_linked(&w->in_ready));
}

void cache_wait_yield(struct page_cache *c, struct wait *w)
{
    wait_ready(c, w);
}

bool cache_wake(struct page_cache *c)
{
    struct list_link now;
    bool any = false;

    list_init(&now);
    list_splice_back(&now, &c->ready);
    while (!list_is_empty(&now)) { /* whoever is woken may release others of the list */
        struct wait *w = LIST_ENTRY(list_first(&now), struct wait, in_ready);

        list_remove(&w->in_ready);
        any = true;
        ASSERT(!list_is_linked(&w->in_ready));
        w->wake(w);
    }
    return any;
}

/* ---- loads ---- */

static void load_run(struct os_job *job)
{
    struct load *l = LIST_ENTRY(job, struct load, job);
    struct page_cache *c = l->cache;

    ASSERT(!l->page);
    l->result = page_read(c->os, c->file, &l->ptr, l->store, l->level, false, &l->scratch,
                          &l->page, &l->why);
}

static void load_free(struct page_cache *c, struct load *l)
{
    ASSERT(c->load_count && list_is_empty(&l->tickets));
    list_remove(&l->in_loads);
    page_scratch_fini(c->os, &l->scratch);
    page_free(c->os, l->page);
    os_free(c->os, l, sizeof *l);
    c->load_count--;
}

/* It came from the second copy: say so. */
static void copy_tell(struct page_cache *c, uint32_t store, const struct page_scratch *scratch)
{
    if (scratch->bad_copy && c->on_bad_copy)
        c->on_bad_copy(c->on_bad_copy_context, store, scratch->bad_copy);
}

static void load_done(struct os_job *job)
{
    struct load *l = LIST_ENTRY(job, struct load, job);
    struct page_cache *c = l->cache;
    struct page *page = NULL;

    ASSERT((l->result == ERR_OK) == (l->page != NULL));
    ASSERT(c->load_count > 0);
    if (l->result == ERR_OK) {
        page = cache_insert_take(c, l->page);
        l->page = NULL;
        c->pages_read++;
        copy_tell(c, l->store, &l->scratch);
    }
    while (!list_is_empty(&l->tickets)) {
        struct ticket *t = LIST_ENTRY(list_first(&l->tickets), struct ticket, in_load);
        struct wait *w = t->wait;

        ASSERT(t->result == ERR_WAIT && w->pending); /* P-4 */
        list_remove(&t->in_load);
        t->result = l->result;
        t->why = l->why;
        if (page) {
            pin_take(t->pin, page, w);
            t->pin = NULL;
            ticket_free(c, t);
        }
        if (--w->pending == 0)
            wait_ready(c, w);
    }
    load_free(c, l);
}

static struct list_link *load_bucket(struct page_cache *c, const struct page_ptr *ptr)
{
    return &c->loads[page_hash(ptr->offset, ptr->birth) % CACHE_LOAD_BUCKETS];
}

static struct load *load_find(struct page_cache *c, const struct page_ptr *ptr)
{
    LIST_EACH (link, load_bucket(c, ptr)) {
        struct load *l = LIST_ENTRY(link, struct load, in_loads);

        if (l->ptr.offset == ptr->offset && l->ptr.birth == ptr->birth)
            return l;
    }
    return NULL;
}

static struct ticket *ticket_find(struct wait *w, const struct page_ptr *ptr)
{
    LIST_EACH (link, &w->loads) {
        struct ticket *t = LIST_ENTRY(link, struct ticket, in_wait);

        if (t->offset == ptr->offset && t->birth == ptr->birth)
            return t;
    }
    return NULL;
}

static struct load *load_new(struct page_cache *c, const struct page_ptr *ptr, uint32_t store,
                             unsigned level)
{
    struct load *l = os_alloc(c->os, sizeof *l);

    ASSERT(level < PAGE_LEVELS_MAX);
    if (!l)
        return NULL;
    memset(l, 0, sizeof *l);
    l->cache = c;
    l->ptr = *ptr;
    l->store = store;
    l->level = level;
    l->job.run = load_run;
    l->job.done = load_done;
    l->job.lane = OS_LANE_READ;
    list_init(&l->tickets);
    list_init(&l->in_loads);
    list_push_back(load_bucket(c, ptr), &l->in_loads);
    c->load_count++;
    return l;
}

/* Take a ticket for the page's load, starting it if need be: ERR_WAIT or ERR_NOMEM. */
static enum err load_join(struct page_cache *c, const struct page_ptr *ptr, uint32_t store,
                          unsigned level, struct wait *w)
{
    struct load *l = load_find(c, ptr);
    bool fresh = !l;
    struct ticket *t = os_alloc(c->os, sizeof *t);

    if (!t)
        return ERR_NOMEM;
    memset(t, 0, sizeof *t);
    list_init(&t->in_wait);
    list_init(&t->in_load);
    t->pin = pin_new(c);
    if (!l && t->pin)
        l = load_new(c, ptr, store, level);
    if (!t->pin || !l) {
        ticket_free(c, t);
        return ERR_NOMEM;
    }
    t->wait = w;
    t->offset = ptr->offset;
    t->birth = ptr->birth;
    t->result = ERR_WAIT;
    list_push_back(&w->loads, &t->in_wait);
    list_push_back(&l->tickets, &t->in_load);
    w->pending++;
    if (fresh)
        os_job_submit(c->os, &l->job);
    return ERR_WAIT;
}

static enum err load_failed(const struct page_ptr *ptr, enum err e, const char *why,
                            struct failure *f)
{
    ASSERT(e != ERR_OK && e != ERR_WAIT);
    if (e == ERR_NOMEM)
        return failure_set(f, e, "%s", err_message(e));
    return failure_set_at(f, e, PRIMARY_FILE, page_at(ptr), "%s", why);
}

/* Read it on the loop if that blocks nobody. */
static enum err load_now(struct page_cache *c, const struct page_ptr *ptr, uint32_t store,
                         unsigned level, struct wait *w, struct page **out, const char **why)
{
    unsigned tries = c->blocking ? READ_TRIES : 1;
    struct page *page;
    enum err e;

    ASSERT(ptr->image > 0);
    if (!c->blocking && (ptr->image > CACHE_NOWAIT_BYTES_MAX || load_find(c, ptr)))
        return ERR_WAIT;
    do {
        e = page_read(c->os, c->file, ptr, store, level, !c->blocking, &c->scratch, &page, why);
    } while (e == ERR_IO && --tries);
    if (e)
        return e;
    c->pages_read++;
    ASSERT(page->birth == ptr->birth);
    copy_tell(c, store, &c->scratch);
    page = cache_insert_take(c, page);
    e = cache_pin_wait(c, page, w);
    if (!e)
        *out = page;
    return e;
}

enum err cache_load(struct page_cache *c, const struct page_ptr *ptr, uint32_t store,
                    unsigned level, struct page **home, struct wait *w, struct page **out,
                    struct failure *f)
{
    struct page *page = table_find(c, ptr->offset, ptr->birth);
    struct ticket *t;
    const char *why = "";
    enum err e;

    ASSERT(level < PAGE_LEVELS_MAX);
    if (page) {
        c->hits++;
    } else {
        t = ticket_find(w, ptr);
        if (t && t->result == ERR_WAIT)
            return ERR_WAIT;
        if (t) { /* a later attempt tries again */
            e = load_failed(ptr, t->result, t->why, f);
            ticket_free(c, t);
            return e;
        }
        c->misses++;
        e = load_now(c, ptr, store, level, w, &page, &why);
        if (e == ERR_WAIT)
            e = load_join(c, ptr, store, level, w);
        if (e == ERR_WAIT)
            return e;
        if (e)
            return load_failed(ptr, e, why, f);
    }
    page->touched = true;
    ASSERT(page->offset == ptr->offset && page->birth == ptr->birth);
    ASSERT(!page->home || *page->home == page); /* P-2 */
    if (!page->home) {
        page->home = home;
        *home = page;
    }
    *out = page;
    return ERR_OK;
}

void cache_fini(struct page_cache *c, bool abandon)
{
    if (!c->os)
        return;
    ASSERT(abandon || c->load_count == 0);
    for (unsigned i = 0; i < CACHE_LOAD_BUCKETS; i++) {
        while (!list_is_empty(&c->loads[i])) {
            struct load *l = LIST_ENTRY(list_first(&c->loads[i]), struct load, in_loads);

            while (!list_is_empty(&l->tickets))
                ticket_free(c, LIST_ENTRY(list_first(&l->tickets), struct ticket, in_load));
            load_free(c, l);
        }
    }
    while (!list_is_empty(&c->clock)) {
        struct page *page = LIST_ENTRY(list_first(&c->clock), struct page, in_clock);

        if (abandon)
            page->pins = 0;
        page_drop(c, page);
    }
    while (c->spare) {
        struct wait_pin *pin = c->spare;

        c->spare = pin->next;
        os_free(c->os, pin, sizeof *pin);
    }
    page_scratch_fini(c->os, &c->scratch);
    if (c->table)
        os_free(c->os, c->table, c->table_size * sizeof(struct page *));
    if (c->leaves)
        os_free(c->os, (void *)c->leaves, c->leaves_size);
    ASSERT(abandon || (c->pages == 0 && c->bytes == 0));
    c->os = NULL;
}
