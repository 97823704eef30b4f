/* execute_user.c - logging in, and who may.
 *
 * A login is one exchange of SCRAM, and one attempt: after a failure the connection ends. Whatever
 * was wrong, the client hears the same words, after the same work. Before the first message is
 * answered, an address that has failed often waits (logins.h).
 *
 * What is taken away from a user counts at once: its open transactions are doomed, and a user that
 * is dropped is disconnected. With the first user, whoever came without a login has to go. */
#include "server/net/connection.h"
#include "server/net/execute.h"
#include "server/net/log_line.h"
#include "server/net/server.h"
#include "server/txn/lock_wait.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- logging in ---- */

static void log_failure(struct session *s, struct slice name)
{
    struct logins *l = &s->server->logins;
    uint64_t failures;

    if (logins_may_log(l, server_now(s->server), &failures))
        LOG_TELL(s->server->log, login_failed, .user = name,
                 .client = connection_name(s->connection), .failures = failures);
}

/* The one answer to whatever is wrong; the connection ends behind it. */
static enum err fail(struct execution *w, struct slice name)
{
    struct session *s = w->session;

    logins_note_failure(&s->server->logins, connection_peer_key(s->connection),
                        server_now(s->server));
    log_failure(s, name);
    connection_drain(s->connection);
    return failure_set(execution_failure(w), ERR_AUTH_FAILED, "authentication failed");
}

static enum err check_begin(struct execution *w)
{
    struct session *s = w->session;

    if (s->user || s->login)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           s->user ? "login_begin: this connection is already logged in"
                                   : "login_begin: a login is already in progress on this "
                                     "connection");
    if (!s->server->users.count && !s->is_stranger)
        return failure_set(execution_failure(w), ERR_AUTH_FAILED,
                           "login_begin: the server has no users; no login is needed");
    return ERR_OK;
}

/* Whether the mechanism fits to what the client says, and to what this connection has. */
static bool is_possible(const struct session *s, struct slice mechanism,
                        enum scram_binding binding)
{
    bool can_bind = connection_binding(s->connection).size > 0;

    if (slice_equal(mechanism, slice_text(SCRAM_NAME_PLUS)))
        return can_bind && binding == SCRAM_EXPORTER;
    if (!slice_equal(mechanism, slice_text(SCRAM_NAME)) || binding == SCRAM_EXPORTER)
        return false;
    return binding == SCRAM_UNBOUND || !can_bind; /* "y": somebody has hidden ours from it */
}

/* What logins have cost, whoever tried; status shows it. */
static void count_hashes(struct logins *all, struct scram *s)
{
    all->hashes += s->hashes;
    s->hashes = 0;
}

/* Whose verifier it is compared with, that of nobody included: the same work for both. */
static void find_user(struct session *s, struct login *l)
{
    struct slice name = slice_make(l->scram.name, l->scram.name_size);
    struct user *user = users_find(&s->server->users, name);

    scram_verifier_mock(s->server->users.secret, name, &l->scram.hashes, &l->verifier);
    if (user && user->facts.has_verifier) {
        l->user = user_ref(user);
        l->verifier = user->facts.verifier;
    }
}

enum err execute_login_begin(struct execution *w)
{
    struct session *s = w->session;
    struct server *server = s->server;
    const struct call_value *params = w->call->params;
    uint8_t random[SCRAM_NONCE_BYTES];
    struct login *l;
    enum err e = check_begin(w);

    if (e)
        return e;
    l = s->login = calloc(1, sizeof *l);
    if (!l)
        return ERR_NOMEM;
    if (!scram_read_client_first(&l->scram, params[PARAM_ID_MESSAGE].text) ||
        !is_possible(s, params[PARAM_ID_MECHANISM].text, l->scram.binding))
        return fail(w, slice_make(l->scram.name, l->scram.name_size));
    find_user(s, l);
    count_hashes(&server->logins, &l->scram);
    os_posix_table(server->posix)
        ->ops->random(os_posix_table(server->posix), random, sizeof random);
    if (!scram_write_server_first(&l->scram, &l->verifier, random))
        return fail(w, slice_make(l->scram.name, l->scram.name_size));
    connection_hold(s->connection,
                    logins_delay(&server->logins, connection_peer_key(s->connection),
                                 server_now(server), server->options.login_delay));
    put_text(w->out, slice_make(l->scram.first.text, l->scram.first.size));
    return ERR_OK;
}

static void log_login(const struct session *s)
{
    s->server->logins.done++;
    LOG_TELL(s->server->log, logged_in, .user = user_name(s->user),
             .client = connection_name(s->connection));
}

enum err execute_login_end(struct execution *w)
{
    struct session *s = w->session;
    struct login *l = s->login;
    struct scram_text final;
    bool is_proved;
    const char *why;

    if (!l)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "login_end: no login is in progress; call login_begin first");
    is_proved =
        scram_read_client_final(&l->scram, &l->verifier, w->call->params[PARAM_ID_MESSAGE].text,
                                connection_binding(s->connection), &final);
    count_hashes(&s->server->logins, &l->scram);
    if (!is_proved || !l->user || l->user->is_dropped)
        return fail(w, slice_make(l->scram.name, l->scram.name_size));
    why = connection_admit(s->connection, l->user->facts.rights.is_admin);
    if (why) {
        connection_drain(s->connection);
        return failure_set(execution_failure(w), ERR_OVERLOADED, "login_end: %s", why);
    }
    session_log_in(s, l->user);
    log_login(s);
    put_text(w->out, slice_make(final.text, final.size));
    return ERR_OK;
}

/* ---- what a change means for those who are connected ---- */

#define LOG_CHANGE(w, event, name)                   \
    LOG_TELL((w)->session->server->log, event, .user = (name), \
             .client = connection_name((w)->session->connection))

static void doom_all(struct session *s, const struct failure *why)
{
    LIST_EACH (link, &s->strands) {
        struct strand *strand = LIST_ENTRY(link, struct strand, in_session);

        if (strand->txn && !txn_failure(strand->txn))
            txn_lose(strand->txn, why);
        else if (strand->waits && strand->running) /* its begin, for a lock */
            lock_wait_lose(&strand->running->op, why);
    }
}

/* A right was taken from the user: what its transactions have done may have needed it. */
static void doom_transactions_of(struct server *server, const struct user *user)
{
    struct failure why;

    failure_init(&why);
    failure_set(&why, ERR_FORBIDDEN,
                "rights of user \"%s\" were revoked while the transaction was open",
                text_show(user_name(user)));
    LIST_EACH (link, &server->connections) {
        struct session *s = &LIST_ENTRY(link, struct connection, in_all)->session;

        if (s->user == user)
            doom_all(s, &why);
    }
    failure_clear(&why);
}

static void disconnect(struct execution *w, struct connection *c, const char *why)
{
    if (c == w->session->connection)
        connection_drain(c); /* so that it is answered */
    else
        session_hang_up(&c->session, why);
}

static void disconnect_user(struct execution *w, const struct user *user)
{
    LIST_EACH_SAFE (link, &w->session->server->connections) {
        struct connection *c = LIST_ENTRY(link, struct connection, in_all);

        if (c->session.user == user)
            disconnect(w, c, "the user was dropped");
    }
}

/* From the first user on everybody has to say who he is, but those who are known by the socket. */
static void expect_logins(struct execution *w)
{
    LIST_EACH_SAFE (link, &w->session->server->connections) {
        struct connection *c = LIST_ENTRY(link, struct connection, in_all);

        if (c->session.user || c->session.is_trusted || c->session.is_stranger)
            continue;
        c->session.is_stranger = true;
        disconnect(w, c, "the first user was created; clients now have to log in");
    }
}

/* ---- methods ---- */

static enum err check_name(const struct execution *w, struct slice name)
{
    return scram_name_is_good(name)
               ? ERR_OK
               : failure_set(execution_failure(w), ERR_BAD_REQUEST,
                             "%s: invalid user name; expected 1 to %u bytes of text without "
                             "control characters",
                             w->call->method->name, SCRAM_NAME_BYTES_MAX);
}

static enum err no_user(const struct execution *w, struct slice name)
{
    return failure_set(execution_failure(w), ERR_BAD_REQUEST, "%s: user \"%s\" does not exist",
                       w->call->method->name, text_show(name));
}

/* Write what the settings say over what facts hold; they are freed. */
static enum err put_user(struct execution *w, struct user_facts *facts)
{
    struct server *server = w->session->server;
    struct slice name = w->call->params[PARAM_ID_USER].text;
    struct user *user = NULL;
    bool cut = false;
    enum err e = user_facts_read(facts, w->call->params[PARAM_ID_SETTINGS].raw,
                                 w->call->method->name, execution_failure(w));

    if (!e)
        e = users_keep_secret(&server->users, w->op);
    if (!e)
        e = users_put(&server->users, w->op, name, facts, &user, &cut);
    user_facts_fini(facts);
    if (e)
        return e;
    if (cut)
        doom_transactions_of(server, user);
    put_nil(w->out);
    return ERR_OK;
}

enum err execute_create_user(struct execution *w)
{
    struct users *users = &w->session->server->users;
    struct slice name = w->call->params[PARAM_ID_USER].text;
    struct user_facts facts = {.has_uid = false};
    enum err e = check_name(w, name);

    if (e)
        return e;
    if (users_find(users, name))
        return failure_set(execution_failure(w), ERR_EXISTS,
                           "create_user: user \"%s\" already exists", text_show(name));
    if (users->count >= w->session->server->options.users_max)
        return failure_set(execution_failure(w), ERR_OVERLOADED,
                           "create_user: %zu users exist, which is the limit (users-max)",
                           users->count);
    e = put_user(w, &facts);
    if (e)
        return e;
    LOG_CHANGE(w, user_created, name);
    if (users->count == 1)
        expect_logins(w);
    return ERR_OK;
}

enum err execute_alter_user(struct execution *w)
{
    struct slice name = w->call->params[PARAM_ID_USER].text;
    struct user *user = users_find(&w->session->server->users, name);
    struct user_facts facts;
    enum err e;

    if (!user)
        return no_user(w, name);
    e = user_facts_copy(&facts, &user->facts);
    if (!e)
        e = put_user(w, &facts);
    if (!e)
        LOG_CHANGE(w, user_altered, name);
    return e;
}

enum err execute_drop_user(struct execution *w)
{
    struct server *server = w->session->server;
    struct slice name = w->call->params[PARAM_ID_USER].text;
    struct user *user = users_find(&server->users, name);
    enum err e;

    if (!user)
        return no_user(w, name);
    user_ref(user);
    e = users_drop(&server->users, w->op, user);
    if (!e) {
        disconnect_user(w, user);
        LOG_CHANGE(w, user_dropped, name);
        put_nil(w->out);
    }
    user_unref(user);
    return e;
}

static void put_user_row(struct execution *w, const struct user *user)
{
    struct net_buffer *out = w->out;

    put_map(out, 6);
    put_word(out, "name");
    put_text(out, user_name(user));
    put_word(out, "admin");
    put_bool(out, user->facts.rights.is_admin);
    put_word(out, "uid");
    if (user->facts.has_uid)
        put_uint(out, user->facts.uid);
    else
        put_nil(out);
    put_word(out, "password");
    put_bool(out, user->facts.has_verifier);
    put_word(out, "grants");
    rights_put_grants(out, &user->facts.rights);
    put_fact(out, "connections", user->refs - 1u); /* each holds a reference */
}

enum err execute_users(struct execution *w)
{
    struct server *server = w->session->server;
    uint64_t max = server->options.result_size;
    size_t start = w->out->used;

    put_array(w->out, (uint32_t)server->users.count);
    LIST_EACH (link, &server->users.all) {
        put_user_row(w, LIST_ENTRY(link, struct user, in_all));
        if (w->out->used - start > max)
            return failure_set_limit(
                execution_failure(w), "result-size", max, w->out->used - start,
                "users: the list exceeds %" PRIu64 " bytes (result-size)", max);
    }
    return ERR_OK;
}
