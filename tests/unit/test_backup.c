/* Backups: a root is held and nothing else, it is let go of exactly once whatever ends the backup,
 * and what is restored is the database as of the backup's commit, to the record. */
#include "proto/backup_format.h"
#include "server/storage/page.h"
#include "server/storage/restore.h"
#include "server/storage/wal_format.h"
#include "tests/sim/sim_restore.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 900u
#define SEEDS 12
#define CHUNK (8u << 10)
#define RESTORE_POWER 10 /* behind five kinds of failure, once and from then on */
#define CHAIN_MAX 64 /* backups that build on each other */

/* ---- what is in a database ---- */

struct state {
    uint64_t commit;
    uint64_t a[KEYS], b[KEYS]; /* 0: no record */
};

static void state_read(struct core_rig *rig, struct state *s)
{
    for (unsigned k = 0; k < KEYS; k++) {
        s->a[k] = core_value(rig, "a", k);
        s->b[k] = core_value(rig, "b", k);
    }
}

static void state_must_be(struct core_rig *rig, const struct state *s)
{
    struct state found;

    state_read(rig, &found);
    MUST(memcmp(found.a, s->a, sizeof found.a) == 0);
    MUST(memcmp(found.b, s->b, sizeof found.b) == 0);
}

/* A few commits over both stores. */
static void change(struct core_rig *rig, struct state *s, unsigned commits)
{
    for (unsigned i = 0; i < commits; i++) {
        struct txn *t = core_begin(rig, "writer", NULL);
        unsigned writes = 1 + (unsigned)sim_random(rig->sim, 40);
        uint64_t commit;

        while (writes--) {
            unsigned key = (unsigned)sim_random(rig->sim, KEYS);
            uint64_t value = sim_random(rig->sim, 5) ? sim_random(rig->sim, 1u << 30) : 0;
            bool in_a = sim_random(rig->sim, 2), existed;
            const char *store = in_a ? "a" : "b";

            if (value)
                MUST_EQ(core_put(rig, t, store, key, value), ERR_OK);
            else
                MUST_EQ(core_delete(rig, t, store, key, &existed), ERR_OK);
            *(in_a ? &s->a[key] : &s->b[key]) = value;
        }
        MUST_EQ(core_commit(rig, t, &commit), ERR_OK);
        s->commit = commit ? commit : s->commit; /* 0: it only deleted what was not there */
    }
}

static void begin(struct core_rig *rig, struct state *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    core_open(rig, seed);
    rig->options.cache_bytes = 16384;
    MUST_EQ(core_create(rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(rig, NULL, "b", NULL), ERR_OK);
    change(rig, s, 60);
    core_amalgamate(rig);
}

/* ---- bytes of a backup ---- */

struct bytes {
    uint8_t *data;
    size_t size;
};

static void bytes_add(struct bytes *to, struct slice more)
{
    to->data = realloc(to->data, to->size + more.size + 1);
    memcpy(to->data + to->size, more.data, more.size);
    to->size += more.size;
}

static void bytes_free(struct bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

static struct backup *backup_begin(struct core_rig *rig, const struct backup_header *base)
{
    struct backup_options options = {.chunk_bytes = CHUNK, .identity = SLICE_NONE};
    struct backup *b;

    if (base) {
        options.identity = slice_make(base->identity, sizeof base->identity);
        options.base = base->root;
        options.base_commit = base->commit;
    }
    MUST_EQ(core_backup(rig, &options, &b), ERR_OK);
    return b;
}

/* A chunk more. false: it was the last. */
static bool backup_step(struct core_rig *rig, struct backup *b, struct bytes *to)
{
    struct slice bytes;
    bool last;

    MUST_EQ(core_backup_read(rig, b, to->size, &bytes, &last), ERR_OK);
    MUST(bytes.size > 0 && bytes.size <= CHUNK);
    bytes_add(to, bytes);
    return !last;
}

static struct bytes backup_all(struct core_rig *rig, const struct backup_header *base)
{
    struct backup *b = backup_begin(rig, base);
    struct bytes to = {NULL, 0};

    while (backup_step(rig, b, &to))
        continue;
    backup_close(b);
    core_settle(rig);
    return to;
}

static struct backup_header header_of(const struct bytes *b)
{
    struct backup_reader *r = malloc(sizeof *r);
    struct backup_header header;

    backup_reader_init(r, NULL);
    MUST_EQ(backup_reader_feed(r, slice_make(b->data, b->size)), ERR_OK);
    MUST_EQ(backup_reader_end(r), ERR_OK);
    header = r->header;
    free(r);
    return header;
}

/* ---- restoring on another machine ---- */

/* Backups, the oldest first, onto a machine. */
static enum err restore_on(struct sim *target, const struct bytes *backups, unsigned count,
                           struct failure *f)
{
    struct slice as[CHAIN_MAX];

    MUST(count <= CHAIN_MAX);
    for (unsigned i = 0; i < count; i++)
        as[i] = slice_make(backups[i].data, backups[i].size);
    return sim_restore(target, as, count, f);
}

static void restored_must_be(const struct bytes *backups, unsigned count, const struct state *s)
{
    struct sim *target = sim_new(77);
    struct core_rig rig;
    struct state after = *s;
    struct failure f;

    failure_init(&f);
    MUST_EQ(restore_on(target, backups, count, &f), ERR_OK);
    core_open_on(&rig, target);
    MUST_EQ(core_status(&rig).primary.commit, s->commit);
    state_must_be(&rig, s);
    change(&rig, &after, 10); /* it lives on, and numbers are not used twice */
    MUST(after.commit > s->commit);
    core_amalgamate(&rig);
    core_restart(&rig, true);
    state_must_be(&rig, &after);
    core_close(&rig);
}

/* ---- tests ---- */

START_TEST(a_backup_is_the_database_as_of_its_commit)
{
    struct core_rig rig;
    struct state at, now;
    struct bytes bytes = {NULL, 0};
    struct backup *b;
    struct backup_header header;

    begin(&rig, &now, 100 + (uint64_t)_i);
    b = backup_begin(&rig, NULL);
    at = now;
    do { /* whatever is written and merged meanwhile, even restarts of the trees' every page */
        change(&rig, &now, 1 + (unsigned)sim_random(rig.sim, 4));
        if (sim_chance(rig.sim, 50))
            core_amalgamate(&rig);
    } while (backup_step(&rig, b, &bytes));
    backup_close(b);
    core_settle(&rig);
    state_must_be(&rig, &now);
    header = header_of(&bytes);
    MUST_EQ(header.commit, at.commit);
    restored_must_be(&bytes, 1, &at);
    bytes_free(&bytes);
    core_close(&rig);
}
END_TEST

START_TEST(a_chunk_comes_again_until_the_next_one_is_asked_for)
{
    struct core_rig rig;
    struct state s;
    struct bytes bytes = {NULL, 0};
    struct slice again;
    struct backup *b;
    size_t before;
    bool last, more;

    begin(&rig, &s, 3);
    b = backup_begin(&rig, NULL);
    MUST_EQ(core_backup_read(&rig, b, 1, &again, &last), ERR_BAD_REQUEST);
    do {
        before = bytes.size;
        more = backup_step(&rig, b, &bytes);
        MUST_EQ(core_backup_read(&rig, b, before, &again, &last), ERR_OK);
        MUST(slice_equal(again, slice_make(bytes.data + before, bytes.size - before)));
        MUST_EQ(last, !more);
        MUST_EQ(core_backup_read(&rig, b, bytes.size + 1, &again, &last), ERR_BAD_REQUEST);
    } while (more);
    MUST_EQ(core_backup_read(&rig, b, bytes.size, &again, &last), ERR_OK);
    MUST(last && again.size == 0);
    backup_close(b);
    core_settle(&rig);
    restored_must_be(&bytes, 1, &s);
    bytes_free(&bytes);
    core_close(&rig);
}
END_TEST

/* What ends a backup: its owner before it reads, while a job reads, when it has read; an operator,
 * at the same moments; the limit of memory for roots. After each the root is gone, once. */
START_TEST(the_root_is_let_go_of_exactly_once)
{
    struct core_rig rig;
    struct state s;
    struct bytes bytes = {NULL, 0};
    struct slice none;
    struct backup *b;
    bool last, kills = _i & 1;
    int moment = _i / 2;

    begin(&rig, &s, 200 + (uint64_t)_i);
    MUST_EQ(core_status(&rig).primary.roots_held, 1);
    b = backup_begin(&rig, NULL);
    if (moment >= 1)
        backup_step(&rig, b, &bytes);
    change(&rig, &s, 30);
    core_amalgamate(&rig);
    MUST_EQ(core_status(&rig).primary.roots_held, 2);
    MUST(core_status(&rig).primary.held_bytes > 0);
    if (moment == 2) /* a job has it; the op is woken, or given up */
        core_backup_ask(&rig, b, bytes.size);
    if (moment == 3)
        while (backup_step(&rig, b, &bytes))
            continue;
    if (kills) {
        backup_kill(b);
        core_settle(&rig);
        MUST_EQ(core_status(&rig).primary.roots_held, 1);
        MUST_EQ(core_backup_read(&rig, b, bytes.size, &none, &last), ERR_TXN_KILLED);
        MUST_EQ(core_backup_read(&rig, b, bytes.size, &none, &last), ERR_TXN_KILLED);
    }
    backup_close(b);
    core_settle(&rig);
    MUST_EQ(core_status(&rig).primary.roots_held, 1);
    change(&rig, &s, 1);
    core_amalgamate(&rig); /* and its space comes back */
    MUST_EQ(core_status(&rig).primary.held_bytes, 0);
    state_must_be(&rig, &s);
    bytes_free(&bytes);
    core_close(&rig);
}
END_TEST

START_TEST(roots_of_backups_count_to_the_limit_of_roots)
{
    struct core_rig rig;
    struct state s;
    struct slice none;
    struct backup *b;
    bool last;

    begin(&rig, &s, 5);
    rig.options.roots_bytes_max = 16;
    core_restart(&rig, false);
    b = backup_begin(&rig, NULL);
    core_backup_ask(&rig, b, 0); /* a job reads: the root goes when it is done */
    change(&rig, &s, 30);
    core_amalgamate(&rig);
    change(&rig, &s, 3);
    core_amalgamate(&rig);
    MUST_EQ(core_backup_read(&rig, b, 0, &none, &last), ERR_TXN_EXPIRED);
    MUST_EQ(core_status(&rig).primary.roots_held, 1);
    backup_close(b);
    core_settle(&rig);
    state_must_be(&rig, &s);
    core_close(&rig);
}
END_TEST

START_TEST(a_crash_in_the_middle_of_a_backup_harms_nothing)
{
    struct core_rig rig;
    struct state s;
    struct backup *b;

    begin(&rig, &s, 300 + (uint64_t)_i);
    b = backup_begin(&rig, NULL);
    change(&rig, &s, 5);
    core_settle(&rig);
    core_backup_ask(&rig, b, 0);
    for (int i = 0; i < _i; i++)
        sim_step(rig.sim);
    core_restart(&rig, true);
    MUST_EQ(core_status(&rig).primary.roots_held, 1);
    state_must_be(&rig, &s);
    core_close(&rig);
}
END_TEST

/* Each incremental backup holds what has changed since the one before it. A chain of them, cut
 * anywhere, is what a full backup is at that moment. */
START_TEST(a_chain_is_what_a_full_backup_is)
{
    struct core_rig rig;
    struct state s;
    struct bytes chain[6], full;
    unsigned count = 2 + (unsigned)_i % 5;

    begin(&rig, &s, 400 + (uint64_t)_i);
    for (unsigned i = 0; i < count; i++) {
        struct backup_header base;

        if (i)
            base = header_of(&chain[i - 1]);
        change(&rig, &s, i ? 1 + (unsigned)sim_random(rig.sim, 6) : 0);
        core_settle(&rig);
        if (sim_chance(rig.sim, 30))
            core_restart(&rig, sim_chance(rig.sim, 50));
        core_amalgamate(&rig);
        chain[i] = backup_all(&rig, i ? &base : NULL);
        restored_must_be(chain, i + 1, &s);
        full = backup_all(&rig, NULL);
        MUST(i == 0 || chain[i].size < full.size);
        restored_must_be(&full, 1, &s);
        bytes_free(&full);
    }
    for (unsigned i = 0; i < count; i++)
        bytes_free(&chain[i]);
    core_close(&rig);
}
END_TEST

START_TEST(a_base_of_another_database_is_refused)
{
    struct core_rig rig;
    struct state s;
    struct bytes bytes;
    struct backup_header base;
    struct backup_options options = {.chunk_bytes = CHUNK};
    struct sim *target = sim_new(9);
    struct failure f;
    struct backup *b;

    failure_init(&f);
    begin(&rig, &s, 6);
    bytes = backup_all(&rig, NULL);
    base = header_of(&bytes);
    options.identity = slice_make(base.identity, sizeof base.identity);
    options.base = base.root + 1; /* not made yet */
    MUST_EQ(core_backup(&rig, &options, &b), ERR_BAD_REQUEST);
    core_close(&rig);
    MUST_EQ(restore_on(target, &bytes, 1, &f), ERR_OK);
    core_open_on(&rig, target);
    options.base = base.root;
    MUST_EQ(core_backup(&rig, &options, &b), ERR_BAD_REQUEST); /* a restored one is another */
    core_close(&rig);
    bytes_free(&bytes);
}
END_TEST

START_TEST(a_link_of_another_chain_is_refused)
{
    struct core_rig rig;
    struct state s;
    struct bytes chain[3];
    struct backup_header base;
    struct failure f;
    struct sim *target;

    begin(&rig, &s, 7);
    for (unsigned i = 0; i < 3; i++) {
        if (i)
            base = header_of(&chain[i - 1]);
        change(&rig, &s, 3);
        core_amalgamate(&rig);
        chain[i] = backup_all(&rig, i ? &base : NULL);
    }
    for (unsigned i = 0; i < 2; i++) { /* without the first; without the second */
        struct bytes gap[2] = {chain[0], chain[2]};

        target = sim_new(8);
        failure_init(&f);
        MUST_EQ(restore_on(target, i ? gap : chain + 1, 2, &f), ERR_CORRUPT);
        failure_clear(&f);
        sim_free(target);
    }
    for (unsigned i = 0; i < 3; i++)
        bytes_free(&chain[i]);
    core_close(&rig);
}
END_TEST

/* ---- damage ---- */

/* Whatever unit of a page rots: the backup either does not need it, or ends with its place. */
START_TEST(a_rotten_page_ends_the_backup_and_is_named)
{
    struct core_rig rig;
    struct state s;
    uint64_t size, at;
    unsigned found = 0;

    begin(&rig, &s, 500);
    MUST(sim_file_size(rig.sim, PRIMARY_FILE, &size));
    for (at = 8192 + 512 * (unsigned)_i; at < size; at += 512 * 4) {
        struct bytes to = {NULL, 0};
        struct backup *b;
        struct slice bytes;
        uint8_t before[512];
        bool last = false;
        enum err e = ERR_OK;

        if (!sim_file_read(rig.sim, PRIMARY_FILE, at, before, 512))
            break;
        MUST(sim_rot(rig.sim, PRIMARY_FILE, at, 512));
        b = backup_begin(&rig, NULL);
        while (!e && !last) {
            e = core_backup_read(&rig, b, to.size, &bytes, &last);
            if (!e)
                bytes_add(&to, bytes);
        }
        if (!e)
            header_of(&to); /* it was no page of it */
        if (e) {
            found++;
            MUST_EQ(e, ERR_CORRUPT);
            MUST(strcmp(rig.op.failure.file, PRIMARY_FILE) == 0);
            MUST(rig.op.failure.offset <= at && rig.op.failure.offset >= 8192);
            MUST_EQ(core_backup_read(&rig, b, to.size, &bytes, &last), ERR_CORRUPT);
        }
        bytes_free(&to);
        backup_close(b);
        core_settle(&rig);
        MUST_EQ(core_status(&rig).primary.roots_held, 1);
        MUST(sim_file_write(rig.sim, PRIMARY_FILE, at, before, 512));
    }
    MUST(found > 0);
    core_restart(&rig, false);
    state_must_be(&rig, &s);
    core_close(&rig);
}
END_TEST

/* Allocations and reads of a backup fail one after the other, or from one on: it ends with an error
 * that says so, or comes to its end whole. */
START_TEST(a_backup_survives_failures_or_says_so)
{
    enum sim_fault fault = _i % 2 ? SIM_FAULT_READ : SIM_FAULT_ALLOC;
    struct core_rig rig;
    struct state s;
    uint64_t n = 0;
    bool fired;

    begin(&rig, &s, 501);
    do {
        struct backup_options options = {.chunk_bytes = CHUNK, .identity = SLICE_NONE};
        struct bytes to = {NULL, 0};
        struct slice bytes = SLICE_NONE;
        struct backup *b = NULL;
        bool last = false;
        enum err e;

        sim_fail_only(rig.sim, PRIMARY_FILE);
        sim_fail_arm(rig.sim, fault, ++n, _i / 2);
        e = core_backup(&rig, &options, &b);
        while (!e && !last) {
            e = core_backup_read(&rig, b, to.size, &bytes, &last);
            if (!e)
                bytes_add(&to, bytes);
        }
        fired = sim_fault_fired(rig.sim, fault) > 0;
        sim_fail_clear(rig.sim);
        MUST(e == ERR_OK || e == (_i % 2 ? ERR_IO : ERR_NOMEM));
        MUST(!e || fired);
        if (!e)
            header_of(&to);
        bytes_free(&to);
        if (b)
            backup_close(b);
        core_settle(&rig);
        MUST_EQ(core_status(&rig).primary.roots_held, 1);
    } while (fired);
    MUST(n > 2);
    core_close(&rig);
}
END_TEST

/* Whichever write, sync, read or allocation of a restore fails, or all from one on, or the power:
 * no database is there. */
START_TEST(a_restore_that_was_cut_short_is_no_database)
{
    static const enum sim_fault faults[] = {SIM_FAULT_WRITE, SIM_FAULT_SYNC, SIM_FAULT_SPACE,
                                            SIM_FAULT_ALLOC, SIM_FAULT_READ};
    enum sim_fault fault = faults[_i / 2 % 5];
    bool power = _i == RESTORE_POWER;
    struct core_rig rig;
    struct state s;
    struct bytes bytes;
    uint64_t n = 0;
    enum err e;

    begin(&rig, &s, 502);
    bytes = backup_all(&rig, NULL);
    core_close(&rig);
    do {
        struct sim *target = sim_new(600 + n);
        struct db_options options;
        struct db_events events = {NULL, NULL, NULL, NULL};
        struct failure f;
        struct db *db;
        uint64_t size;

        failure_init(&f);
        if (power)
            sim_power_off_after(target, ++n);
        else
            sim_fail_arm(target, fault, ++n, _i % 2);
        e = restore_on(target, &bytes, 1, &f);
        failure_clear(&f);
        if (power)
            sim_crash(target);
        sim_fail_clear(target);
        db_options_default(&options);
        options.page_bytes = 4096;
        if (e && sim_file_size(target, PRIMARY_FILE, &size)) {
            bool marked = sim_file_size(target, RESTORE_MARK, &size);
            enum err opened =
                marked ? db_open(sim_table(target), &options, &events, &db, &f) : ERR_OK;

            /* Without the mark it is whole: only the removal of the mark was not durable. */
            if (marked)
                MUST_EQ(opened, ERR_CORRUPT);
            else
                MUST(power || fault == SIM_FAULT_SYNC || _i % 2);
            failure_clear(&f);
        }
        MUST_EQ(sim_open_files(target), 0);
        sim_free(target);
    } while (e);
    MUST(n > 2);
    bytes_free(&bytes);
}
END_TEST

START_TEST(a_backup_of_a_newer_format_is_refused)
{
    struct sim *target = sim_new(31);
    struct core_rig rig;
    struct failure f;
    struct state s;
    struct bytes bytes;

    begin(&rig, &s, 503);
    bytes = backup_all(&rig, NULL);
    core_close(&rig);
    bytes.data[16]++; /* its format */
    failure_init(&f);
    MUST_EQ(restore_on(target, &bytes, 1, &f), ERR_FORMAT);
    MUST(strstr(f.text, "newer version"));
    failure_clear(&f);
    sim_free(target);
    bytes_free(&bytes);
}
END_TEST

START_TEST(a_restore_into_a_directory_that_is_used_is_refused)
{
    struct core_rig rig;
    struct state s;
    struct failure f;

    failure_init(&f);
    begin(&rig, &s, 503);
    MUST_EQ(restore_begin(sim_table(rig.sim), &f), ERR_LOCKED);
    failure_clear(&f);
    core_restart(&rig, false);
    state_must_be(&rig, &s);
    core_close(&rig);
}
END_TEST

/* ---- segments of the log that are kept ---- */

struct shelf { /* an archive that often refuses */
    struct sim *sim;
    uint64_t next;  /* all before have been kept */
    unsigned refused, kept;
};

static enum err shelve(void *context, struct os *os, const char *path)
{
    struct shelf *shelf = context;
    struct wal_segment_header header;
    uint8_t sector[WAL_SECTOR_BYTES];
    uint64_t number;
    size_t got;
    struct os_file *file;

    MUST_EQ(os_file_open(os, path, OS_READ, &file), ERR_OK);
    MUST_EQ(os->ops->file_read(file, 0, sector, sizeof sector, &got), ERR_OK);
    os->ops->file_close(file);
    MUST_EQ(wal_segment_header_decode(sector, &header), ERR_OK);
    MUST(sscanf(path, "wal/%16llx", (unsigned long long *)&number) == 1);
    MUST_EQ(header.number, number); /* it has not been used again */
    MUST(number <= shelf->next);    /* in order; after a restart those before come again */
    if (sim_chance(shelf->sim, 40)) {
        shelf->refused++;
        return ERR_IO;
    }
    if (number == shelf->next)
        shelf->next++;
    shelf->kept++;
    return ERR_OK;
}

START_TEST(segments_are_kept_in_order_before_they_are_used_again)
{
    struct core_rig rig;
    struct shelf shelf = {.next = 0};
    unsigned n = 0;

    core_open(&rig, 700 + (uint64_t)_i);
    shelf.sim = rig.sim;
    rig.options.keep = shelve;
    rig.options.keep_context = &shelf;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 10; i++)
            MUST_EQ(core_put_large(&rig, NULL, "s", n++ % 4, 1u << 20), ERR_OK);
        core_amalgamate(&rig); /* the log is trimmed: files could be used again */
        core_rest(&rig, 1500); /* what was refused is asked for again */
        if (round % 4 == 3)
            core_restart(&rig, _i & 1);
    }
    for (unsigned i = 0; i < 40 && core_status(&rig).log.keep_error; i++)
        core_rest(&rig, 1500);
    MUST(shelf.next >= 5 && shelf.kept >= 5);
    MUST(shelf.refused > 0);
    MUST(core_status(&rig).log.segments < 9); /* and they are used again */
    core_close(&rig);
}
END_TEST

/* ---- the format ---- */

static struct bytes small_stream(void)
{
    static struct backup_header header = {.root = 9,
                                          .commit = 8,
                                          .time_ms = 7,
                                          .log_position = 4096,
                                          .bytes = 1024,
                                          .page_bytes = 8192};
    struct backup_page page = {
        .offset = 16, .birth = 3, .packed = 5, .store = 2, .image = 6, .level = 1};
    struct page_ptr ptr = {.offset = 16, .birth = 3, .packed = 5};
    uint8_t head[BACKUP_HEAD_BYTES], top[BACKUP_HEADER_BYTES];
    struct bytes to = {NULL, 0};
    uint64_t chain = backup_header_encode(&header, top);

    page.checksum = page_checksum(&ptr, (const uint8_t *)"hello"); /* as the data file has it */
    bytes_add(&to, slice_make(top, sizeof top));
    chain = backup_page_encode(&page, chain, head);
    bytes_add(&to, slice_make(head, sizeof head));
    bytes_add(&to, slice_text("hello"));
    backup_end_encode(1, to.size, chain, head);
    bytes_add(&to, slice_make(head, sizeof head));
    return to;
}

static enum err read_in_parts(const struct bytes *b, size_t part)
{
    struct backup_reader *r = malloc(sizeof *r);
    enum err e = ERR_OK;

    backup_reader_init(r, NULL);
    for (size_t at = 0; at < b->size && !e; at += part)
        e = backup_reader_feed(
            r, slice_make(b->data + at, b->size - at < part ? b->size - at : part));
    if (!e)
        e = backup_reader_end(r);
    MUST(!e || r->why);
    free(r);
    return e;
}

START_TEST(no_bit_of_a_backup_can_change)
{
    struct bytes b = small_stream();

    for (size_t part = 1; part < 70; part++)
        MUST_EQ(read_in_parts(&b, part), ERR_OK);
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        MUST(read_in_parts(&b, b.size) != ERR_OK);
        b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    while (b.size--) /* cut short anywhere */
        MUST_EQ(read_in_parts(&b, 4096), ERR_CORRUPT);
    bytes_free(&b);
}
END_TEST

START_TEST(a_backup_is_these_bytes)
{
    static const char *const header =
        "48464241434b555027a01d0fc30b0b8501000000002000000000000000000000"
        "0000000000000000090000000000000008000000000000000000000000000000"
        "0000000000000000070000000000000000100000000000000004000000000000";
    static const char *const rest =
        "010000000500000010000000000000000300000000000000d1babd5348c19d9f"
        "02000000060000000100000000000000753ffdf39cc6eb9c68656c6c6f020000"
        "000000000000000000000000000100000000000000bd10000000000000000000"
        "0000000000000000000000000074c070271d959302";
    struct bytes b = small_stream();
    char text[300];

    MUST_EQ(b.size, BACKUP_HEADER_BYTES + 117);
    for (unsigned i = 0; i < 96; i++)
        snprintf(text + 2 * i, 3, "%02x", b.data[i]);
    MUST(strcmp(text, header) == 0);
    for (unsigned i = 0; i < 117; i++)
        snprintf(text + 2 * i, 3, "%02x", b.data[BACKUP_HEADER_BYTES + i]);
    MUST(strcmp(text, rest) == 0);
    bytes_free(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backup");
    TCase *tcase = tcase_create("backup");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_backup_is_the_database_as_of_its_commit, 0, SEEDS);
    tcase_add_test(tcase, a_chunk_comes_again_until_the_next_one_is_asked_for);
    tcase_add_loop_test(tcase, the_root_is_let_go_of_exactly_once, 0, 8);
    tcase_add_test(tcase, roots_of_backups_count_to_the_limit_of_roots);
    tcase_add_loop_test(tcase, a_crash_in_the_middle_of_a_backup_harms_nothing, 0, 6);
    tcase_add_loop_test(tcase, a_chain_is_what_a_full_backup_is, 0, SEEDS);
    tcase_add_test(tcase, a_base_of_another_database_is_refused);
    tcase_add_test(tcase, a_link_of_another_chain_is_refused);
    tcase_add_loop_test(tcase, a_rotten_page_ends_the_backup_and_is_named, 0, 4);
    tcase_add_loop_test(tcase, a_backup_survives_failures_or_says_so, 0, 4);
    tcase_add_loop_test(tcase, a_restore_that_was_cut_short_is_no_database, 0,
                        RESTORE_POWER + 1);
    tcase_add_test(tcase, a_backup_of_a_newer_format_is_refused);
    tcase_add_test(tcase, a_restore_into_a_directory_that_is_used_is_refused);
    tcase_add_loop_test(tcase, segments_are_kept_in_order_before_they_are_used_again, 0, 4);
    tcase_add_test(tcase, no_bit_of_a_backup_can_change);
    tcase_add_test(tcase, a_backup_is_these_bytes);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
