#include "server/txn/apply.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/numbers.h"
#include "server/txn/pulse.h"
#include "server/txn/stages.h"

enum err apply_begin(struct recovery *r, struct db *db, struct failure *f)
{
    enum err e = stages_rotate(db);

    ASSERT(db->wal && !db->log_failed);
    if (e)
        return failure_set(f, e, "out of memory for a stage");
    recovery_init(r, db);
    r->upto = db->numbers.last_commit; /* older ones are here */
    r->is_live = true;
    return ERR_OK;
}

enum err apply_end(struct recovery *r, enum err e, struct failure *f)
{
    struct db *db = r->db;

    if (!e)
        e = recovery_end(r, f);
    recovery_fini(r);
    numbers_left(&db->numbers, 0, db->wal, &db->pulse); /* as many more ahead as were used */
    ASSERT(db->numbers.last_commit <= db->numbers.reserved.commit); /* V-1 */
    ASSERT(db->numbers.durable <= db->numbers.last_commit);         /* V-1 */
    pulse_wake(&db->pulse);
    return e;
}
