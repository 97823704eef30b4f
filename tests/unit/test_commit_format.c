/* test_commit_format.c - a commit as bytes: those that docs/formats.md says, read back as they were
 * written, in whatever pieces. */
#include "server/txn/commit_format.h"
#include "tests/unit/core_rig.h"

#include <stdlib.h>
#include <string.h>

#define LARGE (COMMIT_WHOLE_BYTES_MAX + 70000u)

struct rig {
    struct sim *sim;
    struct stage write_set;
    struct stage_store room;
    struct stamp *stamp;
};

static void rig_open(struct rig *rig, const char *label)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(1);
    write_set_init(&rig->write_set, sim_table(rig->sim), &rig->room);
    rig->stamp = arena_alloc(&rig->write_set.arena, sizeof *rig->stamp + strlen(label));
    MUST(rig->stamp);
    memset(rig->stamp, 0, sizeof *rig->stamp);
    rig->stamp->version = 0x1122334455667788;
    rig->stamp->durability = DURABILITY_INTERVAL;
    rig->stamp->commit = rig->stamp->item.number = 9;
    stamp_set_label(rig->stamp, slice_text(label));
    list_init(&rig->stamp->item.in_queue);
}

static void rig_close(struct rig *rig)
{
    write_set_fini(&rig->write_set);
    MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
    sim_free(rig->sim);
}

static void write_in(struct rig *rig, uint32_t store, const char *key, struct slice value)
{
    bool fresh;

    MUST(write_set_put(&rig->write_set, rig->stamp, store, slice_text(key), value, &fresh));
}

static const uint8_t golden[] = {
    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 1, 2, 'm', 'e', /* head, label */
    7, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 'k', '1', 0xa2, 'h', 'i',      /* put */
    8, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 'x'};                          /* delete */

START_TEST(the_bytes_are_those_of_the_document)
{
    struct rig rig;
    uint8_t to[128];
    bool last = false;

    rig_open(&rig, "me");
    write_in(&rig, 7, "k1", slice_text("\xa2hi"));
    write_in(&rig, 264, "x", SLICE_NONE);
    MUST_EQ(commit_encode(&rig.stamp->item, to, sizeof to, &last), sizeof golden);
    MUST(last && !memcmp(to, golden, sizeof golden));
    rig_close(&rig);
}
END_TEST

START_TEST(what_is_cut_is_not_read)
{
    struct slice bytes = slice_make(golden, sizeof golden);
    struct commit_record r;
    struct commit_head head;

    for (size_t size = 0; size < 12; size++)
        MUST(!commit_head_read(slice_make(golden, size), &head));
    MUST(commit_head_read(bytes, &head));
    MUST_EQ(head.version, 0x1122334455667788);
    MUST(head.size == 12 && head.is_interval && slice_equal(head.label, slice_text("me")));
    bytes = slice_make(golden + 12, sizeof golden - 12);
    for (size_t size = 0; size < COMMIT_RECORD_HEAD_BYTES; size++)
        MUST(!commit_record_read(slice_make(bytes.data, size), &r));
    MUST(commit_record_read(bytes, &r) && !commit_record_wrong(&r));
    MUST(r.store == 7 && r.size == 16);
    MUST(slice_equal(commit_record_key(bytes, &r), slice_text("k1")));
    MUST(slice_equal(commit_record_value(bytes, &r), slice_text("\xa2hi")));
    bytes = slice_make(bytes.data + r.size, bytes.size - r.size);
    MUST(commit_record_read(bytes, &r) && !commit_record_wrong(&r));
    MUST(r.store == 264 && r.size == bytes.size);
    MUST(slice_is_none(commit_record_value(bytes, &r)));
    r.flags = 2;
    MUST(commit_record_wrong(&r));
    r.flags = r.key_size = 0;
    MUST(commit_record_wrong(&r));
    r.key_size = 1;
    r.store = UINT32_MAX;
    MUST(commit_record_wrong(&r));
}
END_TEST

/* Pieces of any room, joined, are the commit; none but the last of a record is small. */
START_TEST(a_large_record_is_cut_and_joined)
{
    size_t room = COMMIT_CUT_BYTES_MIN + 16 + (size_t)_i * 99991, used = 0, size;
    uint8_t *value = calloc(1, LARGE), *all = malloc(2 * LARGE);
    struct commit_record r;
    struct commit_head head;
    struct slice bytes;
    struct rig rig;
    bool last = false;

    rig_open(&rig, "");
    for (size_t i = 0; i < LARGE; i++)
        value[i] = (uint8_t)(i * 7 >> 3);
    write_in(&rig, 1, "a", slice_text("\xa1y"));
    write_in(&rig, 1, "b", slice_make(value, LARGE));
    write_in(&rig, 1, "c", slice_text("\xa1z"));
    while (!last) {
        size = commit_encode(&rig.stamp->item, all + used, room, &last);
        MUST(size > 0 && size <= room);
        used += size;
    }
    MUST(commit_head_read(slice_make(all, used), &head));
    bytes = slice_make(all + head.size, used - head.size);
    for (const char *key = "abc"; *key; key++) {
        MUST(commit_record_read(bytes, &r) && !commit_record_wrong(&r));
        MUST(slice_equal(commit_record_key(bytes, &r), slice_make(key, 1)));
        if (*key == 'b')
            MUST(slice_equal(commit_record_value(bytes, &r), slice_make(value, LARGE)));
        bytes = slice_make(bytes.data + r.size, bytes.size - r.size);
    }
    MUST_EQ(bytes.size, 0);
    rig_close(&rig);
    free(value);
    free(all);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("commit_format");
    TCase *tc = tcase_create("commit_format");

    tcase_add_test(tc, the_bytes_are_those_of_the_document);
    tcase_add_test(tc, what_is_cut_is_not_read);
    tcase_add_loop_test(tc, a_large_record_is_cut_and_joined, 0, 6);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
