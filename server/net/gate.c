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

#define NAMES(id) (UINT64_C(1) << PARAM_ID_##id)
static_assert(PARAM_ID_COUNT <= 64, "a set of parameters is a word");

/* What the call names by one of these parameters; none: its method has none of them. */
static struct slice named(const struct call *call, uint64_t ids)
{
    for (const struct method_param *p = call->method->params; p->type != PARAM_NONE; p++)
        if (ids >> p->id & 1)
            return call->params[p->id].text;
    return SLICE_NONE;
}

/* A cursor outside of a transaction reads on with the rights that there were when it was opened,
 * unless one has been taken away since. (Transactions are doomed then: execute_user.c.) */
static enum err check_cursor(const struct execution *w)
{
    const struct user *user = w->session->user;
    const struct strand *strand = w->request->strand;

    ASSERT(!strand || strand->session == w->session);
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
    struct slice store = named(call, NAMES(STORE) | NAMES(SOURCE) | NAMES(NAME));
    struct slice made =
        call->method->flags & METHOD_MAKES_STORE ? named(call, NAMES(NEW)) : SLICE_NONE;
    enum err e;

    if (slice_is_none(store)) /* it looks for itself: stores, query */
        return ERR_OK;
    if (call->method->flags & METHOD_MAKES_STORE && slice_is_none(made))
        return guard_check_new(w->op, store);
    ASSERT(call->method->right <
           sizeof needed / sizeof *needed); /* RIGHT_OPERATE has been refused */
    e = guard_check(w->op, store, needed[call->method->right]);
    if (!e && !slice_is_none(made) && guard_sees(w->op, store))
        e = guard_check_new(w->op, made);
    return e;
}

/* Methods of a database as a whole: opening it takes a right on some store in it, upgrading or
 * dropping it the right to change all of them; whether there is such a database or not. */
static enum err check_database(const struct execution *w)
{
    const struct method *m = w->call->method;
    struct slice name = named(w->call, NAMES(DATABASE));
    const struct rights *r = w->session->rights;
    bool may;

    if (slice_is_none(name))
        name = session_database(w->session);
    may = m->right == RIGHT_SCHEMA ? rights_on(r, name, SLICE_NONE) & GUARD_SCHEMA
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
    if (m->flags & METHOD_DATABASE)
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
