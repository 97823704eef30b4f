/* execute_server.c - hello, describe, ping, and what operators ask for. */
#include "server/net/connection.h"
#include "server/net/execute.h"
#include "server/query/parse.h"
#include "server/net/push.h"
#include "server/net/session_opener.h"
#include "server/net/server.h"

#include <inttypes.h>
#include <stdio.h>

struct hello {
    struct slice database; /* none: the connection stays with the one that it has */
};

static enum err hello_field(struct execution *w, struct slice name, struct msgpack_cursor *at,
                            struct hello *hello)
{
    struct session *s = execution_session(w);
    struct call_value value;
    enum err e = ERR_OK;

    if (slice_equal(name, slice_text("client"))) {
        e = call_read_value(at, OPTION_VALUE_TEXT, &value);
        if (!e)
            text_label_set(&s->client, value.text);
    } else if (slice_equal(name, slice_text("protocol"))) {
        e = call_read_value(at, OPTION_VALUE_NUMBER, &value);
        if (!e && value.number != PROTOCOL_VERSION)
            return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                               "hello: protocol version %" PRIu64
                               " is not supported; this server supports %d",
                               value.number, PROTOCOL_VERSION);
    } else if (slice_equal(name, slice_text("database"))) {
        e = call_read_value(at, OPTION_VALUE_TEXT, &value);
        if (!e)
            hello->database = value.text;
    } else if (slice_equal(name, slice_text("features"))) {
        enum msgpack_type type;

        if (msgpack_peek(at, &type) || type != MSGPACK_ARRAY)
            e = ERR_BAD_REQUEST;
        else
            e = msgpack_skip(at, MSGPACK_DEPTH_MAX, NULL);
    } else {
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "hello: unknown field \"%s\"; it takes: client, protocol, features, "
                           "database",
                           text_show(name));
    }
    if (e)
        failure_set(execution_failure(w), e, "hello: field \"%s\" has the wrong type",
                    text_show(name));
    return e;
}

static void add_limits_of_messages(struct facts *f, const struct options *o)
{
    facts_add(f, "frame_bytes", o->frame_size);
    facts_add(f, "depth", o->depth);
    facts_add(f, "elements", o->elements);
    facts_add(f, "value_bytes", o->value_size);
    facts_add(f, "update_work_bytes", o->update_work);
    facts_add(f, "update_commits", o->update_commits);
    facts_add(f, "tokens", o->tokens_max);
    facts_add(f, "tokens_ms", o->tokens_time);
    facts_add(f, "savepoints", o->savepoints);
    facts_add(f, "lock_names", o->lock_names);
    facts_add(f, "lock_waiters", o->lock_waiters);
    facts_add(f, "lock_wait_ms", o->lock_wait);
    facts_add(f, "lock_idle_ms", o->lock_idle);
    facts_add(f, "key_bytes", o->key_size);
    facts_add(f, "indexes", o->indexes);
    facts_add(f, "index_entries", o->index_entries);
    facts_add(f, "name_bytes", 255);
    facts_add(f, "page_rows", o->scan_rows);
    facts_add(f, "page_bytes", o->scan_size);
    facts_add(f, "result_bytes", o->result_size);
    facts_add(f, "query_text_bytes", o->query_text);
    facts_add(f, "query_memory_bytes", o->query_memory);
    facts_add(f, "query_depth", QUERY_DEPTH_MAX);
}

static void add_limits_of_clients(struct facts *f, const struct server *server)
{
    const struct options *o = &server->options;

    facts_add(f, "users", o->users_max);
    facts_add(f, "login_ms", o->login_time);
    facts_add(f, "login_delay_ms", o->login_delay);
    facts_add(f, "strangers", server->seats.strangers_max);
    facts_add(f, "client_strangers", o->strangers_per_client);
    facts_add(f, "connections", server->seats.clients_max);
    facts_add(f, "client_connections", o->client_connections);
    facts_add(f, "requests_in_flight", o->requests_in_flight);
    facts_add(f, "requests_total", o->requests);
    facts_add(f, "transactions", o->transactions_per_connection);
    facts_add(f, "transactions_total", server_handles_max(server));
    facts_add(f, "client_transactions", server_handles_of_one(server));
    facts_add(f, "cursors", o->cursors_per_connection);
    facts_add(f, "openers", o->openers_per_connection);
    facts_add(f, "upgrade_begin_ms", o->upgrade_begin_time);
    facts_add(f, "versionchange_ms", o->versionchange_time);
}

static void add_limits_of_data(struct facts *f, const struct options *o)
{
    uint64_t writes_of_one = o->writes_total / 2;

    facts_add(f, "transaction_bytes",
              o->transaction_max < writes_of_one ? o->transaction_max : writes_of_one);
    facts_add(f, "writes_total_bytes", o->writes_total);
    facts_add(f, "reads_bytes", o->reads_max);
    facts_add(f, "reads_total_bytes", o->reads_total);
    facts_add(f, "catalogue_bytes", o->catalogue_max);
    facts_add(f, "databases", o->databases);
    facts_add(f, "roots_bytes", o->roots_memory);
    facts_add(f, "transaction_life_ms", o->transaction_life);
    facts_add(f, "transaction_idle_ms", o->transaction_idle);
    facts_add(f, "backups", o->backups);
    facts_add(f, "backup_chunk_bytes",
              o->backup_chunk < o->result_size ? o->backup_chunk : o->result_size);
}

static void add_limits_of_output(struct facts *f, const struct server *server)
{
    const struct options *o = &server->options;

    facts_add(f, "output_pause_bytes", o->output_pause);
    facts_add(f, "output_bytes", o->output_max);
    facts_add(f, "output_stall_ms", o->output_stall);
    facts_add(f, "frame_time_ms", o->frame_time);
    facts_add(f, "connection_memory_bytes", server->limits.one);
    facts_add(f, "client_memory_bytes", server->limits.all);
}

static void put_limits(struct execution *w)
{
    const struct server *server = execution_session(w)->server;
    struct facts f = facts_begin(w->out);

    add_limits_of_messages(&f, &server->options);
    add_limits_of_clients(&f, server);
    add_limits_of_data(&f, &server->options);
    add_limits_of_output(&f, server);
    facts_end(&f);
}

static const char *const features[] = {
    "run",        "serializable", "greatest-version", "durability-interval", "indexes",
    "savepoints", "tokens",       "subscribe",        "databases",           "locks",
    "login"};
#define FEATURE_COUNT (sizeof features / sizeof features[0])

/* What is open is of the database that the connection has now. */
static enum err hello_bind(struct execution *w, const struct hello *hello)
{
    struct session *s = execution_session(w);
    struct database *d;
    enum err e;

    if (slice_is_none(hello->database) || slice_equal(hello->database, session_database(s)))
        return ERR_OK;
    if (s->transactions.count || s->cursors.count || session_openers_count(s))
        return failure_set(
            execution_failure(w), ERR_BAD_REQUEST,
            "hello: the connection has transactions, cursors or openers in database "
            "\"%s\"; end them before changing to another one",
            text_show(session_database(s)));
    e = db_use_database(s->server->db, hello->database, &d, execution_failure(w));
    if (!e)
        session_bind(s, d);
    return e;
}

/* Who has logged in; and by which mechanisms it has to be done, nil: it has not. */
static void put_login(struct execution *w)
{
    const struct session *s = execution_session(w);
    bool can_bind = connection_binding(s->connection).size > 0;

    put_word(w->out, "user");
    if (s->user)
        put_text(w->out, user_name(s->user));
    else
        put_nil(w->out);
    put_word(w->out, "login");
    if (!s->is_stranger) {
        put_nil(w->out);
        return;
    }
    put_array(w->out, 1u + can_bind);
    if (can_bind)
        put_word(w->out, SCRAM_NAME_PLUS);
    put_word(w->out, SCRAM_NAME);
}

enum err execute_hello(struct execution *w)
{
    struct hello hello = {SLICE_NONE};
    struct msgpack_cursor at = msgpack_open(w->call->params[PARAM_ID_CLIENT].raw);
    struct slice name;
    uint32_t pairs = 0;
    enum err e = ERR_OK;

    if (!slice_is_none(w->call->params[PARAM_ID_CLIENT].raw) && msgpack_read_map(&at, &pairs))
        return ERR_BAD_REQUEST;
    for (uint32_t i = 0; i < pairs && !e; i++) {
        if (msgpack_read_text(&at, &name))
            return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                               "hello: field names must be strings");
        e = hello_field(w, name, &at, &hello);
    }
    if (!e)
        e = hello_bind(w, &hello);
    if (e)
        return e;
    connection_rename(execution_session(w)->connection);
    put_map(w->out, 7);
    put_login(w);
    put_word(w->out, "server");
    put_word(w->out, "holdfastd");
    put_word(w->out, "version");
    put_word(w->out, SERVER_VERSION);
    put_fact(w->out, "protocol", PROTOCOL_VERSION);
    put_word(w->out, "features");
    put_array(w->out, FEATURE_COUNT);
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        put_word(w->out, features[i]);
    put_word(w->out, "limits");
    put_limits(w);
    return ERR_OK;
}

static void describe_options(struct net_buffer *b, const struct method *m)
{
    uint64_t mask = m->options | UINT64_C(1) << OPTION_ID_DEADLINE_MS;
    uint32_t count = (uint32_t)__builtin_popcountll(mask);

    put_array(b, count);
    for (unsigned i = 0; i < OPTION_ID_COUNT; i++) {
        if (!((mask >> i) & 1))
            continue;
        put_map(b, 3);
        put_word(b, "name");
        put_word(b, method_options[i].name);
        put_word(b, "type");
        put_word(b, option_value_name(method_options[i].type));
        put_word(b, "help");
        put_word(b, method_options[i].help);
    }
}

static void describe_method(struct net_buffer *b, const struct method *m)
{
    uint32_t params = 0;

    while (m->params[params].type != PARAM_NONE)
        params++;
    put_map(b, 6);
    put_word(b, "name");
    put_word(b, m->name);
    put_word(b, "params");
    put_array(b, params);
    for (uint32_t i = 0; i < params; i++) {
        put_map(b, 3);
        put_word(b, "name");
        put_word(b, m->params[i].name);
        put_word(b, "type");
        put_word(b, param_type_name(m->params[i].type));
        put_word(b, "optional");
        put_bool(b, m->params[i].optional);
    }
    put_word(b, "options");
    describe_options(b, m);
    put_word(b, "result");
    put_word(b, m->result);
    put_word(b, "help");
    put_word(b, m->help);
    put_word(b, "since");
    put_word(b, m->since);
}

enum err execute_describe(struct execution *w)
{
    uint32_t count = 0;

    for (size_t i = 0; i < METHOD_COUNT; i++)
        count += !(method_table[i].flags & METHOD_ABSENT);
    put_array(w->out, count);
    for (size_t i = 0; i < METHOD_COUNT; i++)
        if (!(method_table[i].flags & METHOD_ABSENT))
            describe_method(w->out, &method_table[i]);
    return ERR_OK;
}

enum err execute_ping(struct execution *w)
{
    put_word(w->out, "pong");
    return ERR_OK;
}

static void task_done(struct db_task *task, enum err e, const struct failure *f)
{
    struct request *r = LIST_ENTRY(task, struct request, task);

    r->has_task = false;
    r->task_done = true;
    r->bad = e != ERR_OK;
    if (e) {
        failure_clear(&r->op.failure);
        if (f && f->error)
            failure_copy(&r->op.failure, f);
        else
            failure_set(&r->op.failure, e, "%s", err_message(e));
    }
    if (r->state == REQUEST_WAITING)
        r->op.wake(&r->op);
}

enum err execute_task(struct execution *w, void (*submit)(struct db *db, struct db_task *task))
{
    struct request *r = w->request;

    if (!r->has_task && !r->task_done) {
        r->has_task = true;
        r->task.done = task_done;
        submit(execution_session(w)->server->db, &r->task);
    }
    if (r->has_task)
        return ERR_WAIT;
    return r->bad ? r->op.failure.error : ERR_OK;
}

static enum err run_task(struct execution *w,
                         void (*submit)(struct db *db, struct db_task *task))
{
    enum err e = execute_task(w, submit);

    if (!e)
        put_nil(w->out);
    return e;
}

static enum err event_read(struct execution *w, struct msgpack_cursor *at, unsigned *events)
{
    static const struct {
        const char *name;
        enum push_event event;
    } known[] = {
        {"doomed", PUSH_DOOMED}, {"shutdown", PUSH_SHUTDOWN}, {"warning", PUSH_WARNING}};
    struct slice name;

    if (msgpack_read_text(at, &name))
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "subscribe: expected event names (strings)");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_equal(name, slice_text(known[i].name))) {
            *events |= known[i].event;
            return ERR_OK;
        }
    }
    return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                       "subscribe: unknown event \"%s\"; expected doomed, shutdown or warning",
                       text_show(name));
}

enum err execute_subscribe(struct execution *w)
{
    struct msgpack_cursor at = msgpack_open(w->call->params[PARAM_ID_EVENTS].raw);
    unsigned events = 0;
    uint32_t count;
    enum err e = msgpack_read_array(&at, &count);

    for (uint32_t i = 0; i < count && !e; i++)
        e = event_read(w, &at, &events);
    if (e)
        return e;
    push_subscribe(execution_session(w), events);
    put_nil(w->out);
    return ERR_OK;
}

enum err execute_rotate(struct execution *w)
{
    return run_task(w, db_rotate);
}

enum err execute_amalgamate(struct execution *w)
{
    return run_task(w, db_amalgamate);
}
