/* reply.c - answers: found by their msgid, kept or handed to a callback. */
#include "client/lib/conn_struct.h"
#include "proto/msgpack.h"

#include <stdlib.h>

struct hf_reply *reply_new(struct hf_conn *c)
{
    struct hf_reply *reply = c->spare;

    c->spare = NULL;
    if (!reply) {
        reply = malloc(sizeof *reply);
        if (!reply)
            return NULL;
    }
    reply->conn = c;
    reply->done = reply->abandoned = reply->applies = false;
    reply->result = SLICE_NONE;
    reply->body = NULL;
    error_clear(&reply->error);
    reply->before = NULL;
    reply->next = c->replies;
    if (c->replies)
        c->replies->before = reply;
    c->replies = reply;
    return reply;
}

void reply_destroy(struct hf_reply *reply)
{
    struct hf_conn *c = reply->conn;

    if (reply->next)
        reply->next->before = reply->before;
    if (reply->before)
        reply->before->next = reply->next;
    else
        c->replies = reply->next;
    free(reply->body);
    if (c->spare)
        free(reply);
    else
        c->spare = reply;
}

/* Hand it to its callback, or leave it for its owner. */
static void reply_finish(struct hf_reply *reply)
{
    struct hf_conn *c = reply->conn;
    bool outer = c->dispatching;

    reply->done = true;
    if (!reply->fn && !reply->abandoned)
        return;
    if (reply->fn && !reply->abandoned) {
        c->dispatching = true;
        reply->fn(reply->ctx, reply);
        c->dispatching = outer;
    }
    reply_destroy(reply);
}

void reply_fail(struct hf_reply *reply, const struct hf_error *error)
{
    reply->error = *error;
    reply_finish(reply);
}

/* Read the error of an answer; where it cannot be read, nobody knows what was done. */
static bool reply_read_error(struct hf_reply *reply, struct slice error)
{
    bool readable = error_read(&reply->error, error);

    if (!readable)
        reply->error.maybe_committed = reply->applies;
    return readable;
}

/* The error and the result of a future outlive the input buffer: copy what they point to.
 * False: the error cannot be read. */
static bool reply_keep(struct hf_reply *reply, struct slice error, struct slice result)
{
    struct slice from = error.data[0] != 0xc0 ? error : result;

    reply->body = malloc(from.size);
    if (!reply->body) {
        error_set(&reply->error, HF_MEMORY, "out of memory for a reply");
        reply->error.maybe_committed = reply->applies;
        return true;
    }
    memcpy(reply->body, from.data, from.size);
    if (from.data == error.data)
        return reply_read_error(reply, slice_make(reply->body, from.size));
    reply->result = slice_make(reply->body, from.size);
    return true;
}

static const char *reply_take(struct hf_conn *c, uint64_t id, struct slice error,
                              struct slice result)
{
    struct connection_slot *slot = &c->slots[id % c->slot_count];
    struct hf_reply *reply = slot->reply;
    bool readable = true;

    if (!reply || reply->id != id)
        return "a response to a request that was never made";
    slot->reply = NULL;
    c->free_slots[c->free_count++] = (uint32_t)(slot - c->slots);
    c->in_flight--;
    c->patient_in_flight -= reply->patient;
    c->answered++;
    if (reply->abandoned || reply->fn) {
        reply->result = result;
        if (error.data[0] != 0xc0)
            readable = reply_read_error(reply, error);
    } else {
        readable = reply_keep(reply, error, result);
    }
    reply_finish(reply);
    return readable ? NULL : "an error that cannot be read";
}

const char *reply_dispatch(struct hf_conn *c, struct slice frame)
{
    static const char no_rpc[] = "something other than a MessagePack-RPC response";
    struct msgpack_cursor cursor = msgpack_open(frame);
    struct slice rest, first, second;
    uint32_t count;
    uint64_t kind, id;
    struct slice method;

    if (msgpack_read_array(&cursor, &count) != ERR_OK ||
        msgpack_read_uint(&cursor, &kind) != ERR_OK)
        return no_rpc;
    if (kind == 2 && count == 3) {
        if (msgpack_read_text(&cursor, &method) != ERR_OK)
            return no_rpc;
        if (c->pushed) {
            c->dispatching = true;
            c->pushed(c->pushed_ctx, (struct hf_bytes){method.data, method.size},
                      (struct hf_bytes){cursor.at, (size_t)(cursor.end - cursor.at)});
            c->dispatching = false;
        }
        return NULL;
    }
    if (kind != 1 || count != 4 || msgpack_read_uint(&cursor, &id) != ERR_OK)
        return no_rpc;
    rest = slice_make(cursor.at, (size_t)(cursor.end - cursor.at));
    if (!frame_take(&rest, &first) || !frame_take(&rest, &second) || rest.size > 0)
        return no_rpc;
    return reply_take(c, id, first, second);
}

bool hf_reply_is_done(const struct hf_reply *reply)
{
    return reply->done;
}

const struct hf_error *hf_reply_error(const struct hf_reply *reply)
{
    return &reply->error;
}

struct hf_bytes hf_reply_result(const struct hf_reply *reply)
{
    return (struct hf_bytes){reply->result.data, reply->result.size};
}

void hf_reply_free(struct hf_reply *reply)
{
    /* One with a callback is the library's own, inside of the callback too. */
    if (!reply || reply->fn)
        return;
    if (reply->done)
        reply_destroy(reply);
    else
        reply->abandoned = true;
}
