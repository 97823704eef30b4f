/* gate.c - see gate.h. */
#include "server/net/gate.h"

#include "server/base/assert.h"

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

enum err gate_call(struct execution *w)
{
    execute *method = w->session->server->methods[w->call->method - method_table];
    enum err e = w->begun || w->index ? ERR_OK : admit(w);

    if (e)
        return e;
    ASSERT(method);
    return method(w);
}
