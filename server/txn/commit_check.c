#include "server/txn/commit_check.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/storage/key.h"
#include "server/txn/commit_format.h"
#include "server/txn/tokens.h"

static enum err malformed(struct failure *f, uint64_t number, const char *what)
{
    return failure_set(f, ERR_CORRUPT, "commit %llu in the WAL is malformed: %s",
                       (unsigned long long)number, what);
}

static void step(struct slice *bytes, uint64_t size)
{
    ASSERT(size <= bytes->size);
    bytes->data += size;
    bytes->size -= size;
}

static enum err check_head(struct commit_check *c, struct slice *bytes, struct failure *f)
{
    ASSERT(bytes->data || !bytes->size);
    if (c->left)
        return malformed(f, c->number, "its last record is cut");
    c->number = 0;
    if (bytes->size < COMMIT_HEAD_BYTES ||
        bytes->size - COMMIT_HEAD_BYTES < bytes->data[COMMIT_HEAD_BYTES - 1])
        return ERR_CORRUPT;
    step(bytes, COMMIT_HEAD_BYTES + (uint64_t)bytes->data[COMMIT_HEAD_BYTES - 1]);
    return ERR_OK;
}

/* The record that begins there. */
static enum err check_record(struct commit_check *c, struct slice *bytes, struct failure *f)
{
    const uint8_t *at = bytes->data;
    uint64_t size;

    ASSERT(c->number);
    if (bytes->size < COMMIT_RECORD_HEAD_BYTES)
        return malformed(f, c->number, "the head of a record is cut");
    if (!bytes_get_le16(at + 5) || bytes_get_le16(at + 5) > KEY_BYTES_MAX)
        return malformed(f, c->number, "a key has an impossible length");
    if (bytes_get_le32(at) > TOKENS_STORE || at[4] > COMMIT_RECORD_DELETE)
        return malformed(f, c->number, "a record has an impossible store or flag");
    size = COMMIT_RECORD_HEAD_BYTES + (uint64_t)bytes_get_le16(at + 5) + bytes_get_le32(at + 7);
    if (size > bytes->size && size <= COMMIT_WHOLE_BYTES_MAX)
        return malformed(f, c->number, "a record is cut");
    c->records++;
    c->left = size > bytes->size ? size - bytes->size : 0;
    step(bytes, size - c->left);
    return ERR_OK;
}

enum err commit_check_piece(void *context, uint64_t number, bool first, bool last,
                            struct slice bytes, struct failure *f)
{
    struct commit_check *c = context;
    enum err e = ERR_OK;

    ASSERT(number > 0);
    if (first) {
        e = check_head(c, &bytes, f);
        if (e)
            return f->error ? e : malformed(f, number, "its head is cut");
        c->number = number;
    } else if (c->number != number) {
        return ERR_OK; /* what is before the root's position */
    }
    if (c->left) {
        uint64_t size = c->left < bytes.size ? c->left : bytes.size;

        c->left -= size;
        step(&bytes, size);
    }
    while (bytes.size && !e)
        e = check_record(c, &bytes, f);
    if (!e && last && c->left)
        e = malformed(f, number, "its last record is cut");
    if (!e && last)
        c->commits++;
    return e;
}
