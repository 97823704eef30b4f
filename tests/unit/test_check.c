/* Checks: records and indexes that were written wrong, and pages that rot, are found and named. The
 * primary is written by hand, so that what is wrong has the right checksum. */
#include "proto/msgpack.h"
#include "server/base/msgpack_show.h"
#include "server/storage/index_entries.h"
#include "server/storage/key.h"
#include "server/storage/primary_scan.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/check_rows.h"
#include "server/txn/commit_check.h"
#include "server/txn/commit_format.h"
#include "server/txn/tree_names.h"
#include "server/base/bytes.h"
#include "tests/unit/primary_rig.h"

#include <check.h>
#include <stdio.h>

#define MUST(fact) ((fact) ? (void)0 : ck_abort_msg("not so: %s", #fact))

#define RECORDS 300u
#define STORE 1u
#define BY_N 2u
#define UNIQUE 3u

struct check_rig {
    struct rig rig;
    struct rig_batch batch;
    struct findings found;
    struct check_rows rows;
};

/* [["by_n", 2, {"key": "n"}], ["u", 3, {"key": "u", "unique": true}]] */
static const char indexes[] = "\x92\x93\xa4" "by_n\x02\x81\xa3key\xa1n\x93\xa1u\x03\x82\xa3key\xa1"
                              "u\xa6unique\xc3";

static struct slice definition(struct check_rig *c)
{
    uint8_t row[256];
    struct definition d = {.number = STORE,
                           .key = slice_text("\xa2id"),
                           .indexes = slice_make(indexes, sizeof indexes - 1)};
    size_t size = catalogue_row_write(&d, row, sizeof row);

    MUST(size > 0);
    return rig_bytes(&c->rig, row, size);
}

static struct slice number_key(struct check_rig *c, uint64_t n)
{
    uint8_t key[32], value[16];
    size_t size;

    MUST(key_encode_value(slice_make(value, msgpack_put_uint(value, n)), false, key, sizeof key,
                          &size) == ERR_OK);
    return rig_bytes(&c->rig, key, size);
}

static struct slice join(struct check_rig *c, struct slice a, struct slice b)
{
    uint8_t bytes[64];

    memcpy(bytes, a.data, a.size);
    memcpy(bytes + a.size, b.data, b.size);
    return rig_bytes(&c->rig, bytes, a.size + b.size);
}

/* {"id": id, "n": id % 10, "u": id + 1000} */
static struct slice document(struct check_rig *c, uint64_t id)
{
    uint8_t bytes[64], *at = bytes;

    at += msgpack_put_map_head(at, 3);
    at += msgpack_put_text(at, slice_text("id"));
    at += msgpack_put_uint(at, id);
    at += msgpack_put_text(at, slice_text("n"));
    at += msgpack_put_uint(at, id % 10);
    at += msgpack_put_text(at, slice_text("u"));
    at += msgpack_put_uint(at, id + 1000);
    return rig_bytes(&c->rig, bytes, (size_t)(at - bytes));
}

static void open_with(struct check_rig *c, unsigned records)
{
    uint8_t name[KEY_BYTES_MAX];

    memset(c, 0, sizeof *c);
    rig_init(&c->rig, 7, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&c->rig), ERR_OK);
    findings_init(&c->found, c->rig.os);
    rig_batch_add(
        &c->batch, 0,
        rig_bytes(&c->rig, name,
                  catalogue_row_key((struct row_name){slice_text("main"), slice_text("people")},
                                    name)),
        definition(c));
    for (unsigned id = 0; id < records; id++) {
        struct slice key = number_key(c, id);

        rig_batch_add(&c->batch, STORE, key, document(c, id));
        rig_batch_add(&c->batch, BY_N, join(c, number_key(c, id % 10), key), slice_text(""));
        rig_batch_add(&c->batch, UNIQUE, number_key(c, id + 1000), key);
    }
    rig_batch_sort(&c->batch);
    ck_assert_int_eq(rig_merge_simple(&c->rig, &c->batch), ERR_OK);
    rig_batch_fini(&c->batch);
}

static struct slice entry(struct check_rig *c, uint64_t n, uint64_t id)
{
    return join(c, number_key(c, n), number_key(c, id));
}

/* With what was added to the batch since. */
static void check(struct check_rig *c)
{
    bool has_more;
    enum err e;

    rig_batch_sort(&c->batch);
    ck_assert_int_eq(rig_merge_simple(&c->rig, &c->batch), ERR_OK);
    check_rows_init(&c->rows, c->rig.p, c->rig.os, primary_root(c->rig.p), &c->found);
    primary_read_blocking(c->rig.p, true);
    do {
        e = check_rows_run(&c->rows, 7, &has_more);
    } while (e == ERR_WAIT);
    primary_read_blocking(c->rig.p, false);
    ck_assert_int_eq(e, ERR_OK);
}

static void finds(struct check_rig *c, uint32_t store, const char *text)
{
    bool is_there = false;

    for (size_t i = 0; i < c->found.count; i++) {
        const struct finding *n = &c->found.items[i];

        is_there = is_there || (n->store == store && strcmp(n->text, text) == 0 && n->offset &&
                                strcmp(n->file, PRIMARY_FILE) == 0);
    }
    for (size_t i = 0; i < c->found.count && !is_there; i++)
        fprintf(stderr, "tree %u offset %llu: %s\n", c->found.items[i].store,
                (unsigned long long)c->found.items[i].offset, c->found.items[i].text);
    ck_assert_msg(is_there, "nothing says: %s", text);
}

static void close_all(struct check_rig *c, unsigned found)
{
    ck_assert_uint_eq(findings_all(&c->found), found);
    check_rows_fini(&c->rows);
    findings_fini(&c->found);
    rig_batch_fini(&c->batch);
    rig_fini(&c->rig);
}

START_TEST(nothing_is_found_where_nothing_is_wrong)
{
    struct check_rig c;

    open_with(&c, RECORDS);
    check(&c);
    ck_assert_uint_eq(c.rows.records, RECORDS);
    ck_assert_uint_eq(c.rows.entries, 2 * RECORDS);
    ck_assert_uint_eq(c.rows.stores_done, 1);
    close_all(&c, 0);
}
END_TEST

START_TEST(an_entry_that_is_missing_is_named_by_its_record)
{
    struct check_rig c;

    open_with(&c, RECORDS);
    rig_batch_add(&c.batch, BY_N, entry(&c, 7, 17), SLICE_NONE);
    rig_batch_add(&c.batch, UNIQUE, number_key(&c, 1222), SLICE_NONE);
    check(&c);
    finds(&c, BY_N,
          "index \"by_n\" of store \"people\": an entry for the record 17 is missing");
    finds(&c, UNIQUE,
          "index \"u\" of store \"people\": an entry for the record 222 is missing");
    close_all(&c, 2);
}
END_TEST

START_TEST(an_entry_that_no_record_has_is_named)
{
    struct check_rig c;

    open_with(&c, RECORDS);
    rig_batch_add(&c.batch, BY_N, entry(&c, 8, 17), slice_text(""));
    rig_batch_add(&c.batch, BY_N, entry(&c, 3, RECORDS + 3), slice_text(""));
    rig_batch_add(&c.batch, BY_N, slice_text("\xff\xff"), slice_text(""));
    check(&c);
    finds(&c, BY_N,
          "index \"by_n\" of store \"people\": the entry 0x1d08001d1100 does not match its "
          "record");
    finds(&c, BY_N,
          "index \"by_n\" of store \"people\": the entry 0x1d03001e012f00 points to a record "
          "that does not exist");
    finds(&c, BY_N, "index \"by_n\" of store \"people\": the entry 0xffff is malformed");
    close_all(&c, 3);
}
END_TEST

START_TEST(an_entry_that_leads_to_another_record_is_named_from_both_sides)
{
    struct check_rig c;

    open_with(&c, RECORDS);
    rig_batch_add(&c.batch, UNIQUE, number_key(&c, 1005), number_key(&c, 6));
    check(&c);
    finds(&c, UNIQUE,
          "index \"u\" of store \"people\": the entry 0x1e03ed00 does not match its record");
    finds(&c, UNIQUE, "index \"u\" of store \"people\": an entry for the record 5 is missing");
    close_all(&c, 2);
}
END_TEST

START_TEST(a_record_under_a_key_that_is_not_its_own_is_named)
{
    struct check_rig c;

    open_with(&c, 0);
    rig_batch_add(&c.batch, STORE, number_key(&c, 4), document(&c, 5));
    rig_batch_add(&c.batch, BY_N, entry(&c, 5, 4), slice_text(""));
    rig_batch_add(&c.batch, UNIQUE, number_key(&c, 1005), number_key(&c, 4));
    rig_batch_add(&c.batch, STORE, number_key(&c, 6), slice_text("\xc1"));
    rig_batch_add(&c.batch, STORE, number_key(&c, 7), slice_text("\x80"));
    check(&c);
    finds(&c, STORE, "the record 4 of store \"people\": its fields yield a different key");
    finds(&c, STORE, "the record 7 of store \"people\": its fields do not yield a key");
    ck_assert_uint_eq(c.found.damaged, 3);
    close_all(&c, 3);
}
END_TEST

START_TEST(a_definition_that_is_malformed_is_named)
{
    struct check_rig c;
    uint8_t name[KEY_BYTES_MAX];

    open_with(&c, 3);
    rig_batch_add(&c.batch, 0,
                  rig_bytes(&c.rig, name, catalogue_row_key(
                                           (struct row_name){slice_text("side"), slice_text(
                                               "odd")},
                                           name)),
                  slice_text("\x81\xa3key\xc0"));
    check(&c);
    finds(&c, 0, "the definition of store \"odd\" of database \"side\" is malformed");
    ck_assert_uint_eq(c.rows.records, 3); /* of the other one */
    close_all(&c, 1);
}
END_TEST

/* Whichever allocation fails, what was found so far is all that is left. */
START_TEST(a_check_without_memory_leaves_nothing)
{
    unsigned fired = 0;

    for (unsigned n = 1; n < 200; n++) {
        struct check_rig c;
        bool has_more;
        enum err e;

        open_with(&c, 40);
        check_rows_init(&c.rows, c.rig.p, c.rig.os, primary_root(c.rig.p), &c.found);
        primary_read_blocking(c.rig.p, true);
        sim_fail_alloc_at(c.rig.sim, n);
        do {
            e = check_rows_run(&c.rows, 50, &has_more);
        } while (e == ERR_WAIT);
        primary_read_blocking(c.rig.p, false);
        fired += sim_fault_fired(c.rig.sim, SIM_FAULT_ALLOC) > 0;
        MUST(e == ERR_OK || e == ERR_NOMEM);
        sim_fail_clear(c.rig.sim);
        close_all(&c, 0);
    }
    ck_assert_uint_gt(fired, 5);
}
END_TEST

/* ---- pages ---- */

static enum err scan(struct check_rig *c, unsigned slice)
{
    struct primary_scan s;
    enum err e = primary_scan_begin(&s, c->rig.p, true, &c->found);

    if (e)
        return e;
    e = primary_scan_map(&s);
    while (!e || e == ERR_WAIT) {
        e = primary_scan_run(&s, slice);
        if (!e)
            break;
    }
    if (!e)
        primary_scan_settle(&s);
    primary_scan_end(&s);
    return e;
}

/* Each slice by a scan of its own, which begins where the one before has stood. */
START_TEST(scans_that_go_on_from_each_other_read_every_record_once)
{
    struct tree_scan_place place = {0}, next;
    struct check_rig c;
    struct tree_scan s;
    uint64_t records = 0, all;
    unsigned slices = 0;
    enum err e;

    open_with(&c, 2000);
    MUST(tree_scan_init(&s, c.rig.os, primary_root(c.rig.p), &c.found) == ERR_OK);
    while ((e = tree_scan_run(&s, 1 << 20)) == ERR_WAIT) {
    }
    all = s.records;
    tree_scan_fini(&s);
    do {
        MUST(tree_scan_init(&s, c.rig.os, primary_root(c.rig.p), &c.found) == ERR_OK);
        tree_scan_from(&s, &place);
        e = tree_scan_run(&s, (uint64_t)_i * 5000);
        tree_scan_place_of(&s, &next);
        records += s.records;
        tree_scan_fini(&s);
        MUST(memcmp(&place, &next, sizeof place) != 0);
        place = next;
        MUST(++slices < 2000);
    } while (e == ERR_WAIT);
    MUST(e == ERR_OK);
    MUST(records == all);
    MUST(slices > 5 && all > 2000);
    MUST(!place.is_begun);
    close_all(&c, 0);
}
END_TEST

/* Whichever unit of the file rots: a page that the root reaches is named by where it begins, a unit
 * that nothing uses is not. */
START_TEST(each_unit_that_rots_is_found_if_it_is_used)
{
    struct check_rig c;
    uint64_t size, found = 0, repaired = 0;

    open_with(&c, 200);
    MUST(scan(&c, 1 << 20) == ERR_OK && !findings_all(&c.found));
    MUST(sim_file_size(c.rig.sim, PRIMARY_FILE, &size));
    for (uint64_t at = 2 * 4096; at < size; at += 512) {
        uint8_t before[512];

        MUST(sim_file_read(c.rig.sim, PRIMARY_FILE, at, before, sizeof before));
        MUST(sim_rot(c.rig.sim, PRIMARY_FILE, at, 1));
        MUST(scan(&c, 5000) == ERR_OK);
        MUST(findings_all(&c.found) <= 1);
        if (findings_all(&c.found)) {
            found++;
            repaired += c.found.repaired;
            MUST(c.found.items[0].offset <= at && c.found.items[0].offset + 8192 > at);
            MUST(c.found.items[0].is_repaired ==
                 (c.found.items[0].store == 0 || c.found.items[0].store == UINT32_MAX));
        }
        findings_fini(&c.found);
        findings_init(&c.found, c.rig.os);
        MUST(sim_file_write(c.rig.sim, PRIMARY_FILE, at, before, sizeof before));
    }
    ck_assert_uint_gt(found, 10);
    ck_assert_uint_eq(repaired, 4); /* of the catalogue and the definitions, twice a page */
    close_all(&c, 0);
}
END_TEST

START_TEST(trees_are_named_in_words)
{
    static const struct {
        uint32_t number;
        const char *name;
    } trees[] = {{0, "the definitions of stores"},
                 {STORE, "store \"people\""},
                 {BY_N, "index \"by_n\" of store \"people\""},
                 {STORE + PRIMARY_STORES_END, "changes kept beside damaged store \"people\""},
                 {9, "tree 9, whose store no longer exists"},
                 {INT32_MAX, "the tokens of commits"},
                 {UINT32_MAX, "the tree of trees"},
                 {FINDING_NO_STORE, ""}};
    struct check_rig c;
    char name[TREE_NAME_BYTES];

    open_with(&c, 10);
    check(&c);
    for (unsigned i = 0; i < sizeof trees / sizeof trees[0]; i++)
        ck_assert_str_eq(
            tree_name_of_root(c.rig.p, primary_root(c.rig.p), trees[i].number, name),
            trees[i].name);
    close_all(&c, 0);
}
END_TEST

/* ---- commits in the log ---- */

static size_t commit_put(uint8_t *to, uint32_t store, size_t key, size_t value)
{
    memset(to, 0, COMMIT_HEAD_BYTES + COMMIT_RECORD_HEAD_BYTES + key + value);
    to[9] = 0;
    bytes_put_le32(to + 10, store);
    bytes_put_le16(to + 15, (uint16_t)key);
    bytes_put_le32(to + 17, (uint32_t)value);
    return COMMIT_HEAD_BYTES + COMMIT_RECORD_HEAD_BYTES + key + value;
}

static enum err piece(const uint8_t *bytes, size_t size, const char *text)
{
    struct commit_check check = {0};
    struct failure f;
    enum err e;

    failure_init(&f);
    e = commit_check_piece(&check, 5, true, true, slice_make(bytes, size), &f);
    if (text)
        ck_assert_str_eq(f.text, text);
    return e;
}

START_TEST(a_commit_that_is_malformed_is_said_to_be)
{
    uint8_t bytes[200];
    size_t size = commit_put(bytes, 3, 4, 10);

    ck_assert_int_eq(piece(bytes, size, NULL), ERR_OK);
    ck_assert_int_eq(
        piece(bytes, size - 1, "commit 5 in the WAL is malformed: a record is cut"),
        ERR_CORRUPT);
    ck_assert_int_eq(piece(bytes, 14,
                           "commit 5 in the WAL is malformed: the head of a record is "
                           "cut"),
                     ERR_CORRUPT);
    ck_assert_int_eq(piece(bytes, 3, "commit 5 in the WAL is malformed: its head is cut"),
                     ERR_CORRUPT);
    size = commit_put(bytes, 3, 0, 10);
    ck_assert_int_eq(
        piece(bytes, size, "commit 5 in the WAL is malformed: a key has an impossible length"),
        ERR_CORRUPT);
    size = commit_put(bytes, 0x80000000, 1, 10);
    ck_assert_int_eq(piece(bytes, size,
                           "commit 5 in the WAL is malformed: a record has an impossible store "
                           "or flag"),
                     ERR_CORRUPT);
}
END_TEST

START_TEST(values_are_shown_in_words)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *shown;
    } values[] = {{"\xc0", 1, "nil"},
                  {"\x82\xa1" "a\x01\xa1" "b\x93\xc3\xff\xc4\x02\x01\xfe", 13,
                   "{\"a\":1,\"b\":[true,-1,0x01fe]}"},
                  {"\xa2\x0a" "x", 3, "\"\\x0ax\""},
                  {"\xd4\x05\x07", 3, "ext(5,0x07)"},
                  {"\xc1", 1, "0xc1"},
                  {"", 0, "0x"},
                  {"\xb0" "0123456789abcdef", 17, "\"0123456789abcd..."}};
    char to[20], large[64];

    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        bool is_short = i == sizeof values / sizeof values[0] - 1;

        ck_assert_str_eq(msgpack_show(slice_make(values[i].bytes, values[i].size),
                                      is_short ? to : large,
                                      is_short ? sizeof to : sizeof large),
                         values[i].shown);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("check");
    TCase *c = tcase_create("check");
    SRunner *runner;
    int failed;

    tcase_set_timeout(c, 120);
    tcase_add_test(c, nothing_is_found_where_nothing_is_wrong);
    tcase_add_test(c, an_entry_that_is_missing_is_named_by_its_record);
    tcase_add_test(c, an_entry_that_no_record_has_is_named);
    tcase_add_test(c, an_entry_that_leads_to_another_record_is_named_from_both_sides);
    tcase_add_test(c, a_record_under_a_key_that_is_not_its_own_is_named);
    tcase_add_test(c, a_definition_that_is_malformed_is_named);
    tcase_add_test(c, a_check_without_memory_leaves_nothing);
    tcase_add_test(c, each_unit_that_rots_is_found_if_it_is_used);
    tcase_add_loop_test(c, scans_that_go_on_from_each_other_read_every_record_once, 0, 3);
    tcase_add_test(c, trees_are_named_in_words);
    tcase_add_test(c, a_commit_that_is_malformed_is_said_to_be);
    tcase_add_test(c, values_are_shown_in_words);
    suite_add_tcase(s, c);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
