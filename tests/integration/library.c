/* libholdfast against a real server: `library ADDRESS SCENE`. Each scene is a function below;
 * a check that fails says its line and exits with 1. */
#include "client/lib/holdfast.h"

#include <stdio.h>
#include <stdlib.h>

static struct hf_conn *conn;

#define CHECK(what)                                                                            \
    do {                                                                                       \
        if (!(what)) {                                                                         \
            fprintf(stderr, "%s:%d: %s; the last error is %s: %s\n", __FILE__, __LINE__,       \
                    #what, hf_conn_error(conn)->name, hf_conn_error(conn)->message);           \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

/* Bytes of MessagePack that tests write out. */
#define PACKED(bytes) ((struct hf_bytes){bytes, sizeof(bytes) - 1})

static bool same(struct hf_bytes a, struct hf_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ---- Indexes ---- */

#define EMAIL "\xa5" "email"
#define ANN "\x82" EMAIL "\xa3" "ann" "\xa3" "age" "\x1e"
#define BOB "\x82" EMAIL "\xa3" "bob" "\xa3" "age" "\x14"
#define EVE "\x82" EMAIL "\xa3" "eve" "\xa3" "age" "\x1e"

/* Three people under 1, 2, 3, with indexes of e-mail and age. */
static void people(const char *store)
{
    struct hf_index_options by_email = {.key = PACKED(EMAIL), .unique = true};
    struct hf_index_options by_age = {.key = PACKED("\xa3" "age"), .types = "number, text"};

    CHECK(hf_create_store(conn, NULL, store, NULL) == HF_OK);
    CHECK(hf_put(conn, NULL, store, PACKED(ANN), PACKED("\x01"), NULL) == HF_OK);
    CHECK(hf_put(conn, NULL, store, PACKED(BOB), PACKED("\x02"), NULL) == HF_OK);
    CHECK(hf_create_index(conn, NULL, store, "email", &by_email) == HF_OK);
    CHECK(hf_create_index(conn, NULL, store, "age", &by_age) == HF_OK);
    CHECK(hf_put(conn, NULL, store, PACKED(EVE), PACKED("\x03"), NULL) == HF_OK);
}

static void reads_by_index(void)
{
    struct hf_range thirty = {.eq = PACKED("\x1e")};
    struct hf_bytes found;
    uint64_t number;
    bool has;

    people("read");
    CHECK(hf_index_get(conn, NULL, "read", "email", PACKED("\xa3" "bob"), &found) == HF_OK);
    CHECK(same(found, PACKED(BOB)));
    CHECK(hf_index_get(conn, NULL, "read", "age", PACKED("\x1e"), &found) == HF_OK);
    CHECK(same(found, PACKED(ANN))); /* the least key of those that match */
    CHECK(hf_index_get(conn, NULL, "read", "email", PACKED("\xa3" "zed"), &found) == HF_OK);
    CHECK(!found.data);
    CHECK(hf_index_has(conn, NULL, "read", "email", PACKED("\xa3" "eve"), &has) == HF_OK && has);
    CHECK(hf_index_has(conn, NULL, "read", "email", PACKED("\x01"), &has) == HF_OK && !has);
    CHECK(hf_index_get_many(conn, NULL, "read", "age", PACKED("\x93\x14\x01\x1e"), &found) ==
          HF_OK);
    CHECK(same(found, PACKED("\x93" BOB "\xc0" ANN)));
    CHECK(hf_index_count(conn, NULL, "read", "age", NULL, &number) == HF_OK && number == 3);
    CHECK(hf_index_count(conn, NULL, "read", "age", &thirty, &number) == HF_OK && number == 2);
    CHECK(hf_index_size(conn, NULL, "read", "age", &thirty, &number) == HF_OK && number > 0);
    /* without an index it is the store */
    CHECK(hf_index_get(conn, NULL, "read", NULL, PACKED("\x02"), &found) == HF_OK);
    CHECK(same(found, PACKED(BOB)));
    CHECK(hf_index_count(conn, NULL, "read", NULL, NULL, &number) == HF_OK && number == 3);
    CHECK(hf_index_get(conn, NULL, "read", "no", PACKED("\x02"), &found) == HF_NO_INDEX);
}

static void scans_by_index(void)
{
    struct hf_scan_options options = {.index = "age", .page = 1};
    struct hf_cursor *cursor;
    struct hf_row row;

    people("scan");
    CHECK(hf_cursor_open(conn, NULL, "scan", NULL, &options, &cursor) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.index_key, PACKED("\x14")));
    CHECK(same(row.key, PACKED("\x02")) && same(row.value, PACKED(BOB)));
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x01")));
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x03")));
    CHECK(hf_cursor_next(cursor, &row) == HF_END);
    hf_cursor_close(cursor);

    options.unique = options.keys_only = options.reverse = true;
    CHECK(hf_cursor_open(conn, NULL, "scan", NULL, &options, &cursor) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.index_key, PACKED("\x1e")));
    CHECK(same(row.key, PACKED("\x01")) && !row.value.data);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.index_key, PACKED("\x14")));
    CHECK(hf_cursor_next(cursor, &row) == HF_END);
    hf_cursor_close(cursor);

    options = (struct hf_scan_options){.index = "age", .values_only = true};
    CHECK(hf_cursor_open(conn, NULL, "scan", NULL, &options, &cursor) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.value, PACKED(BOB)));
    CHECK(!row.key.data && !row.index_key.data);
    hf_cursor_close(cursor);
}

static void indexes_are_made_and_dropped(void)
{
    struct hf_index_options some = {
        .key = PACKED("\x91\x82\xa4" "path\xa4" "tags\xa5" "order\xa4" "desc"),
        .multi = true,
        .where = PACKED("\x81\xa3" "age\x81\xa4$gte\x12"),
        .types = "text"};
    struct hf_index_options unique_age = {.key = PACKED("\xa3" "age"), .unique = true};
    struct hf_bytes found;
    struct hf_txn *t;
    bool has;

    people("made");
    CHECK(hf_put(conn, NULL, "made", PACKED("\x82\xa3" "age\x12\xa4" "tags\x92\xa1x\x05"),
                 PACKED("\x04"), NULL) == HF_OK);
    CHECK(hf_create_index(conn, NULL, "made", "age", &unique_age) == HF_EXISTS);
    CHECK(hf_create_index(conn, NULL, "made", "unique", &unique_age) == HF_NOT_UNIQUE);
    CHECK(hf_conn_error(conn)->details.size > 0);
    CHECK(hf_create_index(conn, NULL, "made", "some", &some) == HF_OK);
    CHECK(hf_index_has(conn, NULL, "made", "some", PACKED("\xa1x"), &has) == HF_OK && has);
    CHECK(hf_index_has(conn, NULL, "made", "some", PACKED("\x05"), &has) == HF_OK && !has);
    CHECK(hf_insert(conn, NULL, "made", PACKED(ANN), PACKED("\x09"), NULL) == HF_NOT_UNIQUE);
    CHECK(hf_txn_begin(conn, NULL, &t) == HF_OK);
    CHECK(hf_rename_index(conn, t, "made", "some", "other") == HF_OK);
    CHECK(hf_index_has(conn, t, "made", "other", PACKED("\xa1x"), &has) == HF_OK && has);
    CHECK(hf_txn_rollback(t) == HF_OK);
    CHECK(hf_drop_index(conn, NULL, "made", "some") == HF_OK);
    CHECK(hf_drop_index(conn, NULL, "made", "some") == HF_NO_INDEX);
    CHECK(hf_rename_index(conn, NULL, "made", "age", "email") == HF_EXISTS);
    CHECK(hf_stores(conn, NULL, &found) == HF_OK && found.size > 0);
}

/* ---- The scenes ---- */

static const struct {
    const char *name;
    void (*run)(void);
} scenes[] = {
    {"reads_by_index", reads_by_index},
    {"scans_by_index", scans_by_index},
    {"indexes_are_made_and_dropped", indexes_are_made_and_dropped},
};

int main(int argc, char **argv)
{
    struct hf_error error;
    unsigned run = 0;

    conn = hf_open(argc > 1 ? argv[1] : NULL, NULL, &error);
    if (!conn) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        if (argc > 2 && strcmp(argv[2], scenes[i].name) != 0)
            continue;
        scenes[i].run();
        run++;
    }
    hf_close(conn);
    return run ? 0 : 2;
}
