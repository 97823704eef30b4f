/* dump.c - `dump`: a whole database, in one snapshot, as text that people can read and `load`,
 * or any client, can replay. Each line is a method of the protocol with its parameters but t:
 *
 * ["dump", {"format": 1, ...}] what it is ["create_store", "users", {"key": "id"}] first all
 * stores and indexes, ["create_index", "users", "email", {"key": "email", "unique": true}]
 * ["put", "users", {"id": 1, "email": "ann@x.org"}] then the records, store by store, ["put",
 * "notes", "text", "its key"] with the key where the store has no path ["end", {"stores": 2,
 * "records": 2}] so that a part is not taken for the whole / */
#include "client/cli/dump.h"
#include "client/cli/interrupt.h"
#include "client/cli/json.h"
#include "client/cli/out_file.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"
#include "proto/msgpack.h"

#include <stdlib.h>

struct dump {
    struct cli *cli;
    struct hf_txn *txn; /* the snapshot */
    struct out_file file;
    struct hf_pack stores; /* as `stores` answers */
    struct hf_pack text;
    struct progress progress;
    uint64_t store_count, record_count;
};

static void write_text(struct dump *d)
{
    text_append(&d->text, "]\n");
    fwrite(d->text.data, 1, d->text.failed ? 0 : d->text.size, d->file.out);
    hf_pack_reset(&d->text);
}

static void begin_line(struct dump *d, const char *method)
{
    hf_pack_reset(&d->text);
    text_printf(&d->text, "[\"%s\"", method);
}

static void add(struct dump *d, struct slice value)
{
    text_append(&d->text, ", ");
    json_print(value, JSON_TYPED, &d->text);
}

/* ---- Stores and indexes ---- */

struct dump_options {
    struct hf_pack pairs;
    uint32_t count;
};

/* Take the field of that name over, unless it is nil or false. */
static void take_option(struct dump_options *o, struct slice entry, const char *name)
{
    struct slice value = value_field(entry, name);

    if (slice_is_none(value) || value.data[0] == 0xc2)
        return;
    hf_pack_text(&o->pairs, name);
    hf_pack_raw(&o->pairs, (struct hf_bytes){value.data, value.size});
    o->count++;
}

static void add_options(struct dump *d, struct dump_options *o)
{
    struct hf_pack map = {0};

    hf_pack_map(&map, o->count);
    if (o->count)
        hf_pack_raw(&map, hf_pack_bytes(&o->pairs));
    add(d, slice_of_pack(&map));
    hf_pack_fini(&map);
    hf_pack_fini(&o->pairs);
}

static void write_indexes(struct dump *d, struct slice entry)
{
    static const char *const names[] = {"key", "unique", "multi", "types", "where"};
    struct slice indexes = value_field(entry, "indexes"), index;
    struct msgpack_cursor at = msgpack_open(indexes);
    uint32_t count = 0;

    msgpack_read_array(&at, &count);
    while (count-- > 0 && msgpack_skip(&at, MSGPACK_DEPTH_MAX, &index) == ERR_OK) {
        struct dump_options options = {.count = 0};

        begin_line(d, "create_index");
        add(d, value_field(entry, "name"));
        add(d, value_field(index, "name"));
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            take_option(&options, index, names[i]);
        add_options(d, &options);
        write_text(d);
    }
}

static void write_store(struct dump *d, struct slice entry)
{
    struct dump_options options = {.count = 0};

    begin_line(d, "create_store");
    add(d, value_field(entry, "name"));
    take_option(&options, entry, "key");
    take_option(&options, entry, "generate");
    if (slice_equal(value_field_text(entry, "conflict"), slice_text("none")))
        take_option(&options, entry, "conflict");
    add_options(d, &options);
    write_text(d);
    write_indexes(d, entry);
    d->store_count++;
}

/* ---- Records ---- */

/* A generator has given out numbers beyond those of the records that are left: a record with the
 * last of them, which goes again, moves a new one as far. */
static void write_generator(struct dump *d, struct slice entry)
{
    struct slice key = value_field(entry, "key"), name = value_field(entry, "name");
    struct msgpack_cursor at = msgpack_open(key);
    uint64_t next = value_field_uint(entry, "next", 0);
    struct hf_pack value = {0}, number = {0};
    struct slice path;
    bool found = true;
    char store[256];

    if (next <= 1 || (!slice_is_none(key) && msgpack_read_text(&at, &path) != ERR_OK) ||
        hf_read_string((struct hf_bytes){name.data, name.size}, store, sizeof store) != HF_OK)
        return;
    hf_pack_uint(&number, next - 1);
    if (hf_has(d->cli->conn, d->txn, store, hf_pack_bytes(&number), &found) == HF_OK &&
        !found) {
        if (slice_is_none(key)) {
            hf_pack_bool(&value, true);
        } else {
            hf_pack_map(&value, 1);
            hf_pack_raw(&value, (struct hf_bytes){key.data, key.size});
            hf_pack_uint(&value, next - 1);
        }
        begin_line(d, "put");
        add(d, name);
        add(d, slice_of_pack(&value));
        if (slice_is_none(key))
            add(d, slice_of_pack(&number));
        write_text(d);
        begin_line(d, "delete");
        add(d, name);
        add(d, slice_of_pack(&number));
        write_text(d);
    }
    hf_pack_fini(&value);
    hf_pack_fini(&number);
}

static int write_records(struct dump *d, struct slice entry)
{
    struct slice name = value_field(entry, "name");
    bool keyed = !slice_is_none(value_field(entry, "key"));
    struct hf_scan_options scan = {.values_only = keyed, .fetch_ahead = true};
    struct hf_cursor *cursor;
    struct hf_row row;
    char store[256];
    int e;

    if (hf_read_string((struct hf_bytes){name.data, name.size}, store, sizeof store) != HF_OK)
        return HF_PROTOCOL;
    e = hf_cursor_open(d->cli->conn, d->txn, store, NULL, &scan, &cursor);
    if (e)
        return e;
    while ((e = hf_cursor_next(cursor, &row)) == HF_OK && !ferror(d->file.out) &&
           !interrupt_seen()) {
        begin_line(d, "put");
        add(d, name);
        add(d, slice_of(row.value));
        if (!keyed)
            add(d, slice_of(row.key));
        write_text(d);
        d->record_count++;
        progress_update(&d->progress, d->record_count, d->record_count);
    }
    hf_cursor_close(cursor);
    if (e == HF_END)
        write_generator(d, entry);
    return e;
}

/* ---- All of it ---- */

static void write_head(struct dump *d)
{
    struct hf_pack database = {0};

    hf_pack_text(&database, cli_database(d->cli));
    begin_line(d, "dump");
    text_printf(&d->text, ", {\"format\": %d, \"holdfast\": \"%s\", \"snapshot\": %llu, ",
                DUMP_FORMAT, hf_version(), (unsigned long long)hf_txn_snapshot(d->txn));
    text_append(&d->text, "\"database\": ");
    json_print(slice_of_pack(&database), JSON_TYPED, &d->text);
    text_append(&d->text, "}");
    write_text(d);
    hf_pack_fini(&database);
}

static uint64_t records_in_all(struct slice stores)
{
    struct msgpack_cursor at = msgpack_open(stores);
    struct slice entry;
    uint64_t total = 0;
    uint32_t count = 0;

    msgpack_read_array(&at, &count);
    while (count-- > 0 && msgpack_skip(&at, MSGPACK_DEPTH_MAX, &entry) == ERR_OK)
        total += value_field_uint(entry, "records", 0);
    return total;
}

static int dump_stores(struct dump *d)
{
    int e = HF_END;

    for (int records = 0; records < 2; records++) {
        struct msgpack_cursor at = msgpack_open(slice_of_pack(&d->stores));
        struct slice entry;
        uint32_t count = 0;

        msgpack_read_array(&at, &count);
        while (e == HF_END && count-- > 0 &&
               msgpack_skip(&at, MSGPACK_DEPTH_MAX, &entry) == ERR_OK) {
            if (records)
                e = write_records(d, entry);
            else
                write_store(d, entry);
        }
    }
    return e;
}

static int dump_run(struct dump *d)
{
    struct cli *cli = d->cli;
    int e;

    progress_begin(&d->progress, cli->err_is_terminal ? cli->err : NULL, false,
                   records_in_all(slice_of_pack(&d->stores)));
    write_head(d);
    e = dump_stores(d);
    if (e == HF_END) {
        begin_line(d, "end");
        text_printf(&d->text, ", {\"stores\": %llu, \"records\": %llu}",
                    (unsigned long long)d->store_count, (unsigned long long)d->record_count);
        write_text(d);
    }
    progress_clear(&d->progress);
    if (e == HF_END) {
        if (d->file.out != cli->out && cli_tables(cli))
            fprintf(cli->out, "%llu stores, %llu records\n", (unsigned long long)d->store_count,
                    (unsigned long long)d->record_count);
        return CLI_OK;
    }
    if (e == HF_OK && interrupt_seen())
        return cli_usage(cli, "interrupted; the dump is incomplete");
    return e == HF_OK ? CLI_USAGE : cli_failed(cli);
}

int verb_dump(struct cli *cli, const struct args *args)
{
    const char *path = args->count > 0 ? args->positional[0] : "-";
    struct hf_begin_options options = {.read_only = true, .label = "dump"};
    struct dump d = {.cli = cli};
    struct hf_bytes stores;
    bool gzip;
    int exit_code;

    if (!dump_is_packed(cli, path, &gzip))
        return CLI_USAGE;
    if (cli->txn)
        return cli_usage(cli, "dump is a snapshot of its own; commit or roll back first");
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    if (hf_txn_begin(cli->conn, &options, &d.txn) != HF_OK)
        return cli_failed(cli);
    if (hf_stores(cli->conn, d.txn, &stores) != HF_OK) {
        exit_code = cli_failed(cli);
    } else {
        hf_pack_raw(&d.stores, stores); /* which the next call would overwrite */
        exit_code = CLI_USAGE;
        if (out_file_open(&d.file, cli, path, gzip))
            exit_code = out_file_close(&d.file, cli, dump_run(&d));
    }
    hf_txn_rollback(d.txn);
    hf_pack_fini(&d.stores);
    hf_pack_fini(&d.text);
    return exit_code;
}
