/* gate.c - see gate.h. */
#include "server/net/gate.h"

#include "server/base/assert.h"
#include "server/net/request.h"

/* Only before the first call: what has begun may come to its end. */
static enum err admit(const struct execution *w)
{
    const struct method *m = w->call->method;

    if (m->flags & METHOD_ABSENT)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "%s is not supported in this version (%s)", m->name, SERVER_VERSION);
    if (m->flags & METHOD_LARGE && !session_has_room(w->session, 0))
        return session_refuse(w->session, execution_failure(w), m->name);
    return ERR_OK;
}

/* ---- rights ---- */

/* The store that the call names; none: it names none. */
static struct slice store_of(const struct call *call)
{
    for (const struct method_param *p = call->method->params; p->type != PARAM_NONE; p++)
        if (p->id == PARAM_ID_STORE || p->id == PARAM_ID_SOURCE || p->id == PARAM_ID_NAME)
            return call->params[p->id].text;
    return SLICE_NONE;
}

/* A cursor outside of a transaction reads on with the rights that there were when it was opened,
 * unless one has been taken away since. (Transactions are doomed then: execute_user.c.) */
static enum err check_cursor(const struct execution *w)
{
    const struct user *user = w->session->user;
    const struct strand *strand = w->request->strand;

    if (!user || !strand || strand->t || strand->cuts == user->cuts)
        return ERR_OK;
    return failure_set(execution_failure(w), ERR_FORBIDDEN,
                       "%s: rights of user \"%s\" were revoked after the cursor was opened",
                       w->call->method->name, text_show(user_name(user)));
}

static enum err check_store(const struct execution *w)
{
    static const unsigned needed[] = {[RIGHT_READ] = GUARD_READ,
                                      [RIGHT_WRITE] = GUARD_WRITE,
                                      [RIGHT_UPDATE] = GUARD_READ | GUARD_WRITE,
                                      [RIGHT_SCHEMA] = GUARD_SCHEMA};
    const struct call *call = w->call;
    struct slice store = store_of(call);
    enum err e;

    if (slice_is_none(store)) /* it looks for itself: stores, query */
        return ERR_OK;
    if (call->method == &method_table[METHOD_CREATE_STORE])
        return guard_check_new(w->op, store);
    e = guard_check(w->op, store, needed[call->method->right]);
    if (!e && call->method == &method_table[METHOD_RENAME_STORE] && guard_sees(w->op, store))
        e = guard_check_new(w->op, call->params[PARAM_ID_NEW].text);
    return e;
}

/* Methods of a database as a whole: opening it takes a right on some store in it, upgrading or
 * dropping it the right to change all of them; whether there is such a database or not. */
static enum err check_database(const struct execution *w)
{
    const struct method *m = w->call->method;
    bool drops = m == &method_table[METHOD_DROP_DATABASE];
    struct slice name =
        drops ? w->call->params[PARAM_ID_DATABASE].text : session_database(w->session);
    const struct rights *r = w->session->rights;
    bool may = m->right == RIGHT_SCHEMA ? rights_on(r, name, SLICE_NONE) & GUARD_SCHEMA
                                        : rights_see_database(r, name);

    return may ? ERR_OK
               : failure_set(execution_failure(w), ERR_FORBIDDEN,
                             "permission denied: %s of database \"%s\"", m->name,
                             text_show(name));
}

static enum err authorize(const struct execution *w)
{
    const struct method *m = w->call->method;

    if (w->session->is_stranger)
        return m->flags & METHOD_STRANGERS
                   ? ERR_OK
                   : failure_set(execution_failure(w), ERR_AUTH_REQUIRED, "%s: log in first",
                                 m->name);
    if (session_is_admin(w->session))
        return ERR_OK;
    if ((m->flags & METHOD_OPENER) || m == &method_table[METHOD_DROP_DATABASE])
        return check_database(w);
    w->op->guard = &w->session->guard; /* an administrator may have become none meanwhile */
    if (m->right == RIGHT_CONNECT)
        return ERR_OK;
    if (m->right == RIGHT_OPERATE)
        return failure_set(execution_failure(w), ERR_FORBIDDEN,
                           "permission denied: %s is for administrators", m->name);
    return m->flags & METHOD_CURSOR ? check_cursor(w) : check_store(w);
}

enum err gate_call(struct execution *w)
{
    execute *method = w->session->server->methods[w->call->method - method_table];
    enum err e = w->begun || w->index ? ERR_OK : admit(w);

    if (!e && (w->session->rights || w->session->is_stranger))
        e = authorize(w);
    if (e)
        return e;
    ASSERT(method);
    return method(w);
}
