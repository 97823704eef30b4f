/* test_intents.c - what open writers have written, beside a table of yes and no for every key. */
#include "server/txn/intents.h"
#include "tests/unit/core_rig.h"

#include <stdlib.h>
#include <string.h>

#define STORES 3
#define KEYS 90
#define WRITERS 6
#define TURNS 3000

struct writer {
    struct stage write_set;
    struct stage_store room;
    struct stamp stamp;
    struct record *records[STORES][KEYS]; /* NULL: not written */
    bool is_noted[STORES][KEYS];
};

struct rig {
    struct sim *sim;
    struct intents intents;
    struct writer writers[WRITERS];
};

static void rig_open(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    MUST(intents_init(&rig->intents, sim_table(rig->sim), seed) == ERR_OK);
    for (unsigned w = 0; w < WRITERS; w++) {
        struct writer *writer = &rig->writers[w];

        write_set_init(&writer->write_set, sim_table(rig->sim), &writer->room);
        list_init(&writer->stamp.item.in_queue);
        writer->stamp.version = w + 1;
        writer->stamp.owner = (struct txn *)writer; /* nobody looks into it */
    }
}

static void rig_close(struct rig *rig)
{
    intents_fini(&rig->intents);
    for (unsigned w = 0; w < WRITERS; w++)
        write_set_fini(&rig->writers[w].write_set);
    MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
    sim_free(rig->sim);
}

/* Keys of several sizes; the same bytes stand in every store. */
static struct slice key_of(unsigned key, uint8_t room[64])
{
    memset(room, 0, 64);
    room[0] = (uint8_t)key;
    return slice_make(room, 1 + key % 7 * 9);
}

static void note(struct rig *rig, struct writer *writer, unsigned store, unsigned key)
{
    struct record **r = &writer->records[store][key];
    uint8_t room[64];
    bool fresh;

    if (writer->is_noted[store][key])
        return;
    if (!*r)
        *r = write_set_put(&writer->write_set, &writer->stamp, store, key_of(key, room),
                           slice_text("v"), &fresh);
    MUST(*r != NULL);
    intents_add(&rig->intents, *r);
    writer->is_noted[store][key] = true;
}

static void forget(struct rig *rig, struct writer *writer, unsigned store, unsigned key)
{
    if (!writer->records[store][key])
        return;
    intents_remove(&rig->intents, writer->records[store][key]); /* nothing if it is not there */
    writer->is_noted[store][key] = false;
}

/* Each who has noted the key is met once, and nobody else. */
static void check_key(struct rig *rig, unsigned store, unsigned key)
{
    bool is_met[WRITERS] = {false};
    uint8_t room[64];

    for (struct record *r = intents_find(&rig->intents, store, key_of(key, room)); r;
         r = intents_next(&rig->intents, r)) {
        uint64_t w = r->stamp->version - 1;

        MUST(w < WRITERS && !is_met[w]);
        MUST(r == rig->writers[w].records[store][key]);
        is_met[w] = true;
    }
    for (unsigned w = 0; w < WRITERS; w++)
        MUST(is_met[w] == rig->writers[w].is_noted[store][key]);
}

static void check_all(struct rig *rig)
{
    size_t count = 0;

    for (unsigned store = 0; store < STORES; store++) {
        for (unsigned key = 0; key < KEYS; key++) {
            check_key(rig, store, key);
            for (unsigned w = 0; w < WRITERS; w++)
                count += rig->writers[w].is_noted[store][key];
        }
    }
    MUST_EQ(rig->intents.table.count, count);
    MUST(intents_is_empty(&rig->intents) == (count == 0));
    MUST(intents_check(&rig->intents));
}

START_TEST(every_writer_of_a_key_is_found_and_nobody_else)
{
    struct rig *rig = malloc(sizeof *rig);

    rig_open(rig, (uint64_t)_i + 1);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        struct writer *writer = &rig->writers[sim_random(rig->sim, WRITERS)];
        unsigned store = (unsigned)sim_random(rig->sim, STORES);
        unsigned key = (unsigned)sim_random(rig->sim, KEYS);

        if (sim_random(rig->sim, 3))
            note(rig, writer, store, key);
        else
            forget(rig, writer, store, key);
        check_key(rig, store, key);
        if (turn % 500 == 0)
            check_all(rig);
    }
    check_all(rig);
    rig_close(rig);
    free(rig);
}
END_TEST

/* A writer that ends takes its own away, whatever others have written there. */
START_TEST(who_ends_is_found_no_more)
{
    struct rig *rig = malloc(sizeof *rig);

    rig_open(rig, (uint64_t)_i + 1);
    for (unsigned w = 0; w < WRITERS; w++) {
        for (unsigned key = 0; key < KEYS; key++)
            note(rig, &rig->writers[w], key % STORES, key);
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        struct writer *writer = &rig->writers[(w + (unsigned)_i) % WRITERS];

        for (struct record *r = writer->stamp.first; r; r = r->log_next)
            intents_remove(&rig->intents, r);
        memset(writer->is_noted, 0, sizeof writer->is_noted);
        check_all(rig);
    }
    MUST(intents_is_empty(&rig->intents));
    rig_close(rig);
    free(rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("intents");
    TCase *tc = tcase_create("intents");

    tcase_add_loop_test(tc, every_writer_of_a_key_is_found_and_nobody_else, 0, 10);
    tcase_add_loop_test(tc, who_ends_is_found_no_more, 0, 6);
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
