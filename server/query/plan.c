/* plan.c - see plan.h. */
#include "server/query/plan.h"

#include "server/base/assert.h"
#include "server/query/plan_apply.h"
#include "server/query/plan_check.h"
#include "server/query/plan_fields.h"
#include "server/query/plan_select.h"
#include "server/query/plan_write.h"

enum err plan_make(struct op *op, struct cursor *anchor, struct slice text,
                   const struct ast_statement *s, struct plan *out)
{
    struct binder b = {.op = op, .anchor = anchor, .plan = out, .bind_query = plan_apply};
    struct bind_rows rows = {0};

    out->text = text;
    out->statement = s;
    if (s->verb != AST_SELECT) {
        plan_write(&b);
        if (!b.e)
            plan_fields(&b);
        if (!b.e)
            plan_check(out);
        return b.e;
    }
    plan_select(&b, s->select, NULL, &rows);
    if (b.e)
        return b.e;
    ASSERT(rows.root);
    out->root = rows.root;
    out->column_slot = rows.slot;
    out->column_count = rows.count;
    out->columns = rows.names;
    out->is_value = rows.is_value;
    out->keeps_rows = out->keeps_rows || out->scan_count > 1;
    plan_fields(&b);
    if (!b.e)
        plan_check(out);
    return b.e;
}
