#include "client/cli/import_internal.h"
#include "client/cli/output.h"
#include "client/cli/value.h"

#include <stdlib.h>

void import_fail(struct import *im, uint64_t line, const struct hf_error *error)
{
    /* A line's own error tells more than a loss, and the earliest line is the one to mend. */
    if (im->failed && (im->failed_line || !line) && (!line || line >= im->failed_line))
        return;
    im->failed = true;
    im->failed_line = line;
    im->failed_line_to = 0;
    im->error = *error;
    im->error.details = HF_NONE;
    im->exit_code = cli_exit_of(error);
}

bool import_send_init(struct import *im)
{
    unsigned batches = im->txn ? 1 : im->in_flight_max;
    unsigned records = im->txn ? im->in_flight_max : im->batch_max;

    im->batches = calloc(batches, sizeof *im->batches);
    im->free_slots = calloc(records, sizeof *im->free_slots);
    if (!im->batches || !im->free_slots)
        return false;
    for (unsigned i = 0; i < batches; i++) {
        struct import_batch *b = &im->batches[i];

        b->import = im;
        b->records = calloc(records, sizeof *b->records);
        if (!b->records)
            return false;
        for (unsigned k = 0; k < records; k++)
            b->records[k].batch = b;
    }
    for (unsigned k = 0; k < records && im->txn; k++)
        im->free_slots[im->free_slot_count++] = k;
    return true;
}

void import_send_fini(struct import *im)
{
    unsigned batches = im->txn ? 1 : im->in_flight_max;

    for (unsigned i = 0; im->batches && i < batches; i++) {
        hf_pack_fini(&im->batches[i].bytes);
        free(im->batches[i].records);
    }
    free(im->batches);
    free(im->free_slots);
}

/* ---- Records ---- */

static struct hf_bytes part(const struct import_batch *b, size_t at, size_t size)
{
    return size ? (struct hf_bytes){b->bytes.data + at, size} : HF_NONE;
}

/* store, value and key: what put and insert take, but for t. */
static void pack_params(struct hf_pack *p, const struct import *im, struct hf_bytes value,
                        struct hf_bytes key)
{
    hf_pack_text(p, im->store);
    hf_pack_raw(p, value);
    if (key.data)
        hf_pack_raw(p, key);
}

static const char *method_of(const struct import *im)
{
    return im->on_exists == IMPORT_REPLACE ? "put" : "insert";
}

/* ---- Batches ---- */

/* All batches before the first that is not done are behind us. */
static void count_sure(struct import *im)
{
    bool moved = true;

    while (moved) {
        struct import_batch *first = NULL;

        for (unsigned i = 0; i < im->in_flight_max; i++) {
            struct import_batch *b = &im->batches[i];

            if (b->state != BATCH_FREE && (!first || b->order < first->order))
                first = b;
        }
        moved = first && first->state == BATCH_DONE;
        if (moved) {
            im->sure_line = first->records[first->count - 1].line_end;
            im->sure_later -= first->count - first->skipped;
            first->state = BATCH_FREE;
        }
    }
}

static void batch_done(struct import_batch *b)
{
    struct import *im = b->import;

    b->state = BATCH_DONE;
    im->sure += b->count - b->skipped;
    im->sure_later += b->count - b->skipped;
    im->skipped += b->skipped;
    count_sure(im);
}

/* Blame the op that the error names, else the lines of the whole batch; a loss is nobody's. */
static void batch_blame(struct import_batch *b, const struct hf_error *error)
{
    struct import *im = b->import;
    uint64_t index = value_field_uint(slice_of(error->details), "index", UINT64_MAX);
    bool named = index < b->count;
    uint64_t first = b->records[named ? index : 0].line;

    if (error->code == HF_CONNECTION || error->code == HF_PROTOCOL || error->code == HF_TIMEOUT)
        first = 0;
    import_fail(im, first, error);
    if (im->failed_line == first && first && !named)
        im->failed_line_to = b->records[b->count - 1].line;
}

/* The batch as a whole was answered. */
static void batch_answered(void *ctx, struct hf_reply *reply)
{
    struct import_batch *b = ctx;
    struct import *im = b->import;
    const struct hf_error *error = hf_reply_error(reply);

    if (error->code == HF_NO_TXN && b->begin_error.code)
        error = &b->begin_error;
    if (error->code == HF_OK && !b->failed) {
        batch_done(b);
        return;
    }
    if (error->retryable && !error->maybe_committed && error->code != HF_CONNECTION &&
        b->attempts < IMPORT_ATTEMPTS_MAX && !b->failed) {
        b->state = BATCH_AGAIN;
        b->losses += error->code == HF_CONFLICT;
        b->pause_ms = error->retry_after_ms ? error->retry_after_ms : 1u << b->attempts;
        return;
    }
    b->state = BATCH_SENT; /* never free: what follows it is "later" */
    if (error->maybe_committed)
        im->unknown += b->count;
    if (error->code && !b->failed)
        batch_blame(b, error);
    b->failed = true;
}

/* A record within the batch's transaction was answered (IMPORT_SKIP). */
static void record_answered(void *ctx, struct hf_reply *reply)
{
    struct import_record *r = ctx;
    const struct hf_error *error = hf_reply_error(reply);

    if (error->code == HF_EXISTS) {
        r->batch->skipped++;
    } else if (error->code && error->code != HF_TXN_FAILED && error->code != HF_NO_TXN &&
               error->code != HF_CONNECTION && !error->retryable) {
        r->batch->failed = true;
        import_fail(r->batch->import, r->line, error);
    }
}

/* The batch's begin: if it was refused, what follows is answered NO_TXN. */
static void begin_answered(void *ctx, struct hf_reply *reply)
{
    struct import_batch *b = ctx;

    b->begin_error = *hf_reply_error(reply);
    b->begin_error.details = HF_NONE;
}

/* A batch that has lost often asks for the store, so that it comes to its end. */
static bool batch_locks(const struct import_batch *b)
{
    return b->losses >= IMPORT_LOSSES_MAX;
}

static unsigned count_options(const struct import_batch *b)
{
    return (b->import->cli->label != NULL) + batch_locks(b);
}

/* Of the batch's transaction, into a map. */
static void pack_options(const struct import_batch *b, struct hf_pack *p)
{
    const struct import *im = b->import;

    if (im->cli->label) {
        hf_pack_text(p, "label");
        hf_pack_text(p, im->cli->label);
    }
    if (batch_locks(b))
        hf_packf(p, "'lock' {'exclusive': [s]}", im->store);
}

/* One request: all of the batch or none. */
static int batch_send_run(struct import_batch *b)
{
    struct import *im = b->import;
    struct hf_conn *c = im->cli->conn;
    struct hf_pack *p = hf_call_begin(c, "run", count_options(b) ? 2 : 1);

    hf_pack_array(p, b->count);
    for (unsigned i = 0; i < b->count; i++) {
        const struct import_record *r = &b->records[i];

        hf_pack_array(p, 2);
        hf_pack_text(p, method_of(im));
        hf_pack_array(p, r->key_size ? 3 : 2);
        pack_params(p, im, part(b, r->value_at, r->value_size),
                    part(b, r->key_at, r->key_size));
    }
    if (count_options(b)) {
        hf_pack_map(p, count_options(b));
        pack_options(b, p);
    }
    return hf_call_end_callback(c, batch_answered, b);
}

/* A transaction that goes on after EXISTS, in one go: begin, the inserts, commit. */
static int batch_send_skipping(struct import_batch *b)
{
    struct import *im = b->import;
    struct hf_conn *c = im->cli->conn;
    uint32_t handle = IMPORT_HANDLE_FIRST + (uint32_t)(b - im->batches);
    struct hf_pack *p = hf_call_begin(c, "begin", 2);
    int e;

    hf_pack_uint(p, handle);
    hf_pack_map(p, 1 + count_options(b));
    hf_pack_text(p, "on_error");
    hf_pack_text(p, "continue");
    pack_options(b, p);
    e = hf_call_end_callback(c, begin_answered, b);
    for (unsigned i = 0; i < b->count && e == HF_OK; i++) {
        struct import_record *r = &b->records[i];

        p = hf_call_begin(c, "insert", r->key_size ? 4 : 3);
        hf_pack_uint(p, handle);
        pack_params(p, im, part(b, r->value_at, r->value_size),
                    part(b, r->key_at, r->key_size));
        e = hf_call_end_callback(c, record_answered, r);
    }
    if (e)
        return e;
    hf_pack_uint(hf_call_begin(c, "commit", 1), handle);
    return hf_call_end_callback(c, batch_answered, b);
}

/* One record, deeper or longer than a `run` of it could be, as a request of its own. */
static int batch_send_alone(struct import_batch *b)
{
    struct import *im = b->import;
    struct import_record *r = &b->records[0];
    struct hf_pack *p = hf_call_begin(im->cli->conn, method_of(im), r->key_size ? 4 : 3);

    hf_pack_uint(p, 0);
    pack_params(p, im, part(b, r->value_at, r->value_size), part(b, r->key_at, r->key_size));
    return hf_call_end_callback(im->cli->conn, batch_answered, b);
}

static bool batch_send(struct import_batch *b)
{
    struct import *im = b->import;
    int e;

    b->state = BATCH_SENT;
    b->attempts++;
    b->skipped = 0;
    b->failed = false;
    b->begin_error.code = HF_OK;
    e = im->on_exists == IMPORT_SKIP ? batch_send_skipping(b)
        : b->alone                   ? batch_send_alone(b)
                                     : batch_send_run(b);
    if (e) {
        uint64_t line = e == HF_TOO_LARGE && b->count == 1 ? b->records[0].line : 0;

        import_fail(im, line, hf_conn_error(im->cli->conn));
    } else if (b->records[b->count - 1].line_end > im->sent_line) {
        im->sent_line = b->records[b->count - 1].line_end;
    }
    return !im->failed;
}

/* Send again what was asked to be, after its pause. */
static void batches_again(struct import *im)
{
    for (unsigned i = 0; i < im->in_flight_max && !im->failed; i++) {
        struct import_batch *b = &im->batches[i];

        if (b->state != BATCH_AGAIN)
            continue;
        hf_poll(im->cli->conn, (int)(b->pause_ms < 5000 ? b->pause_ms : 5000));
        if (b->state == BATCH_AGAIN && !im->failed)
            batch_send(b);
    }
}

static struct import_batch *batch_in_state(struct import *im, int state)
{
    for (unsigned i = 0; i < im->in_flight_max; i++) {
        if ((int)im->batches[i].state == state)
            return &im->batches[i];
    }
    return NULL;
}

/* The batch that is being filled; waits for one to become free. */
static struct import_batch *batch_to_fill(struct import *im)
{
    struct import_batch *b = batch_in_state(im, BATCH_FILLING);

    while (!b && !im->failed) {
        b = batch_in_state(im, BATCH_FREE);
        if (b)
            break;
        if (batch_in_state(im, BATCH_AGAIN))
            batches_again(im);
        else
            hf_wait_any(im->cli->conn);
    }
    if (!b || im->failed)
        return NULL;
    if (b->state == BATCH_FREE) {
        b->state = BATCH_FILLING;
        b->order = im->batch_orders++;
        b->count = b->attempts = b->losses = 0;
        b->frame_bytes = IMPORT_AROUND_BYTES + strlen(im->store) +
                         (im->cli->label ? strlen(im->cli->label) : 0);
        b->elements = b->result_bytes = IMPORT_AROUND_ELEMENTS;
        hf_pack_reset(&b->bytes);
    }
    return b;
}

/* What a record adds to the request and to its answer. */
static uint64_t record_bytes(const struct import *im, const struct import_line *line)
{
    return line->value.size + line->key.size + strlen(im->store) + IMPORT_RECORD_BYTES;
}

static uint64_t record_result_bytes(const struct import *im, const struct import_line *line)
{
    uint64_t bytes = line->value.size + line->key.size; /* the key is somewhere in it */

    return (bytes < im->limits.key_bytes ? bytes : im->limits.key_bytes) + IMPORT_RECORD_BYTES;
}

bool import_send_fits(const struct import *im, const struct import_line *line)
{
    const struct import_limits *max = &im->limits;

    return record_bytes(im, line) + IMPORT_AROUND_BYTES <= max->frame_bytes &&
           line->elements + 7 <= max->elements; /* [0, id, method, [t, store, ...]] */
}

/* Whether the record has room in the batch's request. */
static bool batch_has_room(const struct import_batch *b, const struct import_line *line)
{
    const struct import *im = b->import;
    const struct import_limits *max = &im->limits;

    return b->frame_bytes + record_bytes(im, line) <= max->frame_bytes &&
           b->elements + line->elements + IMPORT_RECORD_ELEMENTS <= max->elements &&
           b->result_bytes + record_result_bytes(im, line) <= max->result_bytes;
}

static bool batch_append(struct import_batch *b, const struct import_line *line)
{
    struct import_record *r = &b->records[b->count++];

    r->line = line->line;
    r->line_end = line->line_end;
    r->value_at = b->bytes.size;
    r->value_size = line->value.size;
    hf_pack_raw(&b->bytes, (struct hf_bytes){line->value.data, line->value.size});
    r->key_at = b->bytes.size;
    r->key_size = line->key.size;
    if (line->key.size)
        hf_pack_raw(&b->bytes, (struct hf_bytes){line->key.data, line->key.size});
    b->frame_bytes += record_bytes(b->import, line);
    b->elements += line->elements + IMPORT_RECORD_ELEMENTS;
    b->result_bytes += record_result_bytes(b->import, line);
    return !b->bytes.failed;
}

static bool batch_add(struct import *im, const struct import_line *line)
{
    struct import_batch *b = batch_to_fill(im);

    if (b && b->count > 0 && (line->deep || !batch_has_room(b, line))) {
        if (!batch_send(b))
            return false;
        b = batch_to_fill(im);
    }
    if (!b)
        return false;
    b->alone = line->deep || !batch_has_room(b, line);
    if (!batch_append(b, line)) {
        struct hf_error error = {.code = HF_MEMORY, .message = "out of memory"};

        import_fail(im, line->line, &error);
        return false;
    }
    if (b->alone || b->count == im->batch_max || b->bytes.size >= IMPORT_BATCH_BYTES_MAX)
        return batch_send(b) && hf_poll(im->cli->conn, 0) == HF_OK;
    return true;
}

/* ---- One transaction ---- */

static void single_answered(void *ctx, struct hf_reply *reply)
{
    struct import_record *r = ctx;
    struct import *im = r->batch->import;
    const struct hf_error *error = hf_reply_error(reply);

    im->free_slots[im->free_slot_count++] = (uint32_t)(r - r->batch->records);
    if (error->code == HF_OK)
        im->sure++;
    else if (error->code == HF_EXISTS && im->on_exists == IMPORT_SKIP)
        im->skipped++;
    else if (error->code != HF_TXN_FAILED || !im->failed)
        import_fail(im, r->line, error);
}

static bool single_send(struct import *im, const struct import_line *line)
{
    struct slice value = line->value, key = line->key;
    struct hf_conn *c = im->cli->conn;
    struct import_record *r;
    struct hf_pack *p;

    while (im->free_slot_count == 0 && !im->failed)
        hf_wait_any(c);
    if (im->failed)
        return false;
    r = &im->batches[0].records[im->free_slots[--im->free_slot_count]];
    r->line = line->line;
    r->line_end = line->line_end;
    p = hf_call_begin(c, method_of(im), key.size ? 4 : 3);
    hf_pack_uint(p, hf_txn_handle(im->txn));
    pack_params(p, im, (struct hf_bytes){value.data, value.size},
                key.size ? (struct hf_bytes){key.data, key.size} : HF_NONE);
    if (hf_call_end_callback(c, single_answered, r) != HF_OK)
        import_fail(im, line->line, hf_conn_error(c));
    im->sent_line = line->line_end;
    return !im->failed;
}

bool import_send_record(struct import *im, const struct import_line *line)
{
    im->read++;
    return im->txn ? single_send(im, line) : batch_add(im, line);
}

void import_send_stop(struct import *im)
{
    struct hf_error error;

    if (hf_wait_all(im->cli->conn) == HF_OK)
        return;
    error = *hf_conn_error(im->cli->conn);
    import_fail(im, 0, &error);
}

bool import_send_end(struct import *im)
{
    struct import_batch *b = im->txn ? NULL : batch_in_state(im, BATCH_FILLING);

    if (b && b->count > 0)
        batch_send(b);
    else if (b)
        b->state = BATCH_FREE;
    import_send_stop(im);
    while (!im->failed && !im->txn && batch_in_state(im, BATCH_AGAIN)) {
        batches_again(im);
        import_send_stop(im);
    }
    return !im->failed;
}
