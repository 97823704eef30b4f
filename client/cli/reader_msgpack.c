/* reader_msgpack.c - values of MessagePack, one behind the other. What stands for a line in
 * messages is the number of the record. */
#include "client/cli/reader_internal.h"
#include "proto/msgpack.h"

/* The length of the value that begins at `at`; 0 if there is none, and *result says why. */
static size_t find_end(struct reader *r, enum reader_result *result)
{
    struct msgpack_limits limits = {READER_RECORD_BYTES_MAX, UINT64_MAX, MSGPACK_DEPTH_MAX};
    struct msgpack_scan scan;

    msgpack_scan_init(&scan);
    for (;;) {
        size_t size = r->buffer.size - r->at;
        enum err e = msgpack_scan_feed(&scan, r->buffer.data + r->at, size, &limits);

        if (e == ERR_OK)
            return scan.offset;
        *result = READER_FAILED;
        if (e == ERR_TOO_LARGE && scan.over)
            reader_fail(r, r->line, "the record is nested deeper than %d levels",
                        MSGPACK_DEPTH_MAX);
        else if (e == ERR_TOO_LARGE)
            reader_fail(r, r->line, "the record is longer than %u MiB",
                        READER_RECORD_BYTES_MAX >> 20);
        else if (e != ERR_WAIT)
            reader_fail(r, r->line, "not MessagePack: byte 0xc1, %zu bytes into the record",
                        scan.offset);
        else if (!r->at_end)
            *result = READER_ONE;
        else if (size > 0)
            reader_fail(r, r->line, "the file ends within the record");
        else
            *result = READER_END;
        if (*result != READER_ONE)
            return 0;
        if (!reader_fill(r)) {
            *result = READER_FAILED;
            return 0;
        }
    }
}

enum reader_result msgpack_next(struct reader *r, struct hf_pack *out)
{
    enum reader_result result = READER_ONE;
    size_t size = find_end(r, &result);
    struct slice value = slice_make(r->buffer.data + r->at, size);
    const char *why = NULL;

    if (size == 0)
        return result;
    if (msgpack_check_document(value, MSGPACK_DEPTH_MAX, &why) != ERR_OK)
        return reader_fail(r, r->line, "not a valid record: %s", why ? why : "out of memory");
    hf_pack_raw(out, (struct hf_bytes){value.data, value.size});
    if (out->failed)
        return reader_fail(r, 0, "out of memory");
    r->first_line = r->last_line = r->line++;
    r->at += size;
    r->taken += size;
    return READER_ONE;
}
