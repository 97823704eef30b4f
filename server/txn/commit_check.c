#include "server/txn/commit_check.h"

#include "server/base/assert.h"
#include "server/txn/commit_format.h"

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
    struct commit_head head;

    ASSERT(bytes->data || !bytes->size);
    if (c->left)
        return malformed(f, c->number, "its last record is cut");
    c->number = 0;
    if (!commit_head_read(*bytes, &head))
        return ERR_CORRUPT;
    step(bytes, head.size);
    return ERR_OK;
}

/* The record that begins there. */
static enum err check_record(struct commit_check *c, struct slice *bytes, struct failure *f)
{
    struct commit_record head;
    const char *wrong;

    ASSERT(c->number);
    if (!commit_record_read(*bytes, &head))
        return malformed(f, c->number, "the head of a record is cut");
    wrong = commit_record_wrong(&head);
    if (wrong)
        return malformed(f, c->number, wrong);
    if (head.size > bytes->size && head.size <= COMMIT_WHOLE_BYTES_MAX)
        return malformed(f, c->number, "a record is cut");
    c->records++;
    c->left = head.size > bytes->size ? head.size - bytes->size : 0;
    step(bytes, head.size - c->left);
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
