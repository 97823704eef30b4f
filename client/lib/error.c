#include "client/lib/error.h"
#include "client/lib/frame.h"
#include "proto/msgpack.h"

#include <stdarg.h>
#include <stdio.h>

/* Every code of holdfast.h but HF_OK. */
#define CODES(X)                                                                               \
    X(BAD_REQUEST)                                                                             \
    X(BAD_KEY)                                                                                 \
    X(NO_STORE)                                                                                \
    X(NO_INDEX)                                                                                \
    X(NO_TXN)                                                                                  \
    X(NO_CURSOR)                                                                               \
    X(EXISTS)                                                                                  \
    X(NOT_UNIQUE)                                                                              \
    X(READ_ONLY)                                                                               \
    X(TXN_FAILED)                                                                              \
    X(TOKEN_FENCED)                                                                            \
    X(BAD_VALUE)                                                                               \
    X(GENERATOR_FULL)                                                                          \
    X(BAD_VERSION)                                                                             \
    X(NO_SAVEPOINT)                                                                            \
    X(NO_BOOKMARK)                                                                             \
    X(BAD_QUERY)                                                                               \
    X(AUTH_REQUIRED)                                                                           \
    X(AUTH_FAILED)                                                                             \
    X(FORBIDDEN)                                                                               \
    X(CONFLICT)                                                                                \
    X(TOO_LARGE)                                                                               \
    X(QUOTA_EXCEEDED)                                                                          \
    X(TXN_EXPIRED)                                                                             \
    X(TXN_KILLED)                                                                              \
    X(OVERLOADED)                                                                              \
    X(DEADLINE)                                                                                \
    X(SHUTDOWN)                                                                                \
    X(CANCELLED)                                                                               \
    X(LOCK_TIMEOUT)                                                                            \
    X(NOT_LEADER)                                                                              \
    X(LOG_FAILED)                                                                              \
    X(NO_SPACE)                                                                                \
    X(CORRUPT)                                                                                 \
    X(IO)                                                                                      \
    X(LOCKED)                                                                                  \
    X(FORMAT)                                                                                  \
    X(INTERNAL)                                                                                \
    X(NOMEM)                                                                                   \
    X(CONNECTION)                                                                              \
    X(TIMEOUT)                                                                                 \
    X(PROTOCOL)                                                                                \
    X(MISUSE)                                                                                  \
    X(MEMORY)                                                                                  \
    X(END)                                                                                     \
    X(ABSENT)                                                                                  \
    X(WRONG_TYPE)                                                                              \
    X(OUT_OF_RANGE)                                                                            \
    X(MALFORMED)

const char *hf_code_name(int code)
{
    switch (code) {
    case HF_OK: return "OK";
#define X(name)                                                                                \
    case HF_##name: return #name;
        CODES(X)
#undef X
    default: return "";
    }
}

#define CODES_OWN_END 9000 /* HF_CONNECTION up to here are never a server's */

/* What the library finds itself, or answers in the server's place. */
static const struct {
    int code;
    const char *class_name;
} own[] = {
    {HF_CONNECTION, "unavailable"}, {HF_TIMEOUT, "unavailable"}, {HF_PROTOCOL, "internal"},
    {HF_MISUSE, "request"},         {HF_MEMORY, "internal"},     {HF_TOO_LARGE, "limit"},
    {HF_NO_TXN, "request"},         {HF_NO_CURSOR, "request"},
};

void error_clear(struct hf_error *error)
{
    error->code = HF_OK;
    error->retryable = false;
    error->maybe_committed = false;
    error->retry_after_ms = 0;
    error->name[0] = error->class_name[0] = error->message[0] = '\0';
    error->details = HF_NONE;
}

/* Copy text, cut to whole UTF-8 sequences, with a terminator. */
static void error_copy_text(char *to, size_t room, struct slice text)
{
    size_t size = text.size < room ? text.size : room - 1;

    /* Never end inside of a sequence: step back over continuation bytes. */
    if (size < text.size) {
        while (size > 0 && (text.data[size] & 0xc0) == 0x80)
            size--;
    }
    if (size)
        memcpy(to, text.data, size);
    to[size] = '\0';
}

int error_set(struct hf_error *error, int code, const char *format, ...)
{
    char message[sizeof error->message];
    va_list args;

    if (!error)
        return code;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_clear(error);
    error->code = code;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (own[i].code == code) {
            error_copy_text(error->name, sizeof error->name, slice_text(hf_code_name(code)));
            error_copy_text(error->class_name, sizeof error->class_name,
                            slice_text(own[i].class_name));
        }
    }
    memcpy(error->message, message, sizeof message);
    return code;
}

static void read_text_field(char *to, size_t room, const struct msgpack_token *token)
{
    if (token->type == MSGPACK_TEXT)
        error_copy_text(to, room, token->bytes);
}

static void read_field(struct hf_error *error, struct slice name, struct slice value)
{
    struct msgpack_cursor cursor = msgpack_open(value);
    struct msgpack_token token;

    if (msgpack_read(&cursor, &token) != ERR_OK)
        return;
    if (slice_equal(name, slice_text("code"))) {
        if (token.type == MSGPACK_UINT && token.uint <= INT32_MAX &&
            (token.uint < HF_CONNECTION || token.uint >= CODES_OWN_END))
            error->code = (int)token.uint;
    } else if (slice_equal(name, slice_text("name"))) {
        read_text_field(error->name, sizeof error->name, &token);
    } else if (slice_equal(name, slice_text("class"))) {
        read_text_field(error->class_name, sizeof error->class_name, &token);
    } else if (slice_equal(name, slice_text("message"))) {
        read_text_field(error->message, sizeof error->message, &token);
    } else if (slice_equal(name, slice_text("retryable"))) {
        error->retryable = token.type == MSGPACK_TRUE;
    } else if (slice_equal(name, slice_text("maybe_committed"))) {
        error->maybe_committed = token.type == MSGPACK_TRUE;
    } else if (slice_equal(name, slice_text("details")) && token.type != MSGPACK_NIL) {
        error->details = (struct hf_bytes){value.data, value.size};
    }
}

/* OVERLOADED says when to come again; beside the others or in the details. */
static void read_retry_after(struct hf_error *error, struct slice map)
{
    struct msgpack_cursor cursor = msgpack_open(map);
    struct slice name, value, rest;
    uint32_t pairs;
    uint64_t ms;

    if (msgpack_read_map(&cursor, &pairs) != ERR_OK)
        return;
    rest = slice_make(cursor.at, (size_t)(cursor.end - cursor.at));
    while (pairs-- > 0 && frame_take(&rest, &name) && frame_take(&rest, &value)) {
        struct msgpack_cursor at_name = msgpack_open(name);
        struct msgpack_cursor at_value = msgpack_open(value);
        struct slice text;

        if (msgpack_read_text(&at_name, &text) == ERR_OK &&
            slice_equal(text, slice_text("retry_after_ms")) &&
            msgpack_read_uint(&at_value, &ms) == ERR_OK)
            error->retry_after_ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
    }
}

bool error_read(struct hf_error *error, struct slice value)
{
    struct msgpack_cursor cursor = msgpack_open(value);
    struct slice name, field, rest, text;
    uint32_t pairs;

    error_set(error, HF_PROTOCOL, "the server sent an error that cannot be read");
    if (msgpack_read_text(&cursor, &text) == ERR_OK) {
        /* Another kind of server; its text may tell which. */
        error_copy_text(error->message, sizeof error->message, text);
        return false;
    }
    if (msgpack_read_map(&cursor, &pairs) != ERR_OK)
        return false;
    error->code = HF_OK;
    rest = slice_make(cursor.at, (size_t)(cursor.end - cursor.at));
    while (pairs-- > 0 && frame_take(&rest, &name) && frame_take(&rest, &field)) {
        struct msgpack_cursor at = msgpack_open(name);

        if (msgpack_read_text(&at, &text) == ERR_OK)
            read_field(error, text, field);
    }
    if (error->code == HF_OK) {
        error->code = HF_PROTOCOL;
        error->retryable = false;
        error->details = HF_NONE;
        return false;
    }
    read_retry_after(error, value);
    if (error->details.data)
        read_retry_after(error, slice_make(error->details.data, error->details.size));
    return true;
}
