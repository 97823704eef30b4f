/* fuzz_session.c - any bytes as a life of a whole server: what several clients send, right and
 * wrong, and what befalls the machine meanwhile. The server is the daemon's, on the loop and the
 * sockets of sim_uv.h and the disk of sim_os.h; the oracle is client_model.h.
 *
 * The input is a list of steps of STEP_BYTES: what happens, to whom, eight choices, and how much
 * the server may do before the next step. At the end every client closes its side and is
 * answered, the server stops, and another one on the same disk must have all that was told. */
#define FUZZ_SHARE 100
#include "fuzz.h"

#include "server/net/accept.h"
#include "server/net/daemon.h"
#include "server/net/log_line.h"
#include "server/net/server_check.h"
#include "server/net/users.h"
#include "server/txn/db.h"
#include "tests/fuzz/session_request.h"
#include "tests/sim/client_model.h"
#include "tests/sim/sim_uv.h"

#include <fcntl.h>
#include <sysexits.h>

#define LIFE_HEAD 2 /* bytes before the steps: the server's options, the machine's seed */
#define STEP_BYTES 10
#define STEPS_MAX 96
#define CLIENTS 4
#define RAW_BYTES_MAX 16
#define TURNS_MAX 200000 /* of one life: it hangs */
#define LIVES_MAX 4
#define WALK_MAX 5000 /* operations of a life that fail in turn */
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

enum step_kind { /* of 32 */
                 STEP_MUTATED = 18,
                 STEP_WRONG = 20,
                 STEP_RAW = 24,
                 STEP_CONNECTION = 25,
                 STEP_MACHINE = 28,
                 STEP_END = 30,
};

enum phase { PHASE_STEPS, PHASE_FAREWELL, PHASE_STOPPING };

struct client {
    struct sim_socket *socket; /* NULL: not connected */
    struct model_client *model;
    uint32_t next_msgid;
    bool is_stalled;
};

/* Of a walk (FAULT_WALK in the environment): each input is lived again and again while the n-th
 * operation of a kind fails in its first life, once or from then on; nothing else fails then. */
static struct {
    bool is_on, stays, has_fired;
    enum sim_fault fault;
    uint64_t n; /* 0: nothing fails */
} walk;

struct world {
    struct sim *sim;
    struct model *model;
    struct sim_loop *loop;
    struct server *server;
    struct options options;
    struct client clients[CLIENTS];
    struct slice input; /* the steps that are left */
    struct buffer scratch;
    enum phase phase;
    unsigned steps;
    uint64_t n; /* of the next value */
    unsigned turns, lives;
    unsigned rest;  /* turns before the next step */
    size_t chunk;   /* bytes that arrive at once */
    bool settle;    /* nothing but what is under way until that is done */
    bool was_hurt;  /* a fault of the machine may have struck in this life */
    bool is_scarred; /* one has in an earlier life, and may be told only now */
    bool may_close; /* ... or a kill, so that the server may hang up */
    bool reads_back;
    bool is_armed; /* what is to fail in the first life */
    bool has_users;   /* the first client is an administrator, the others are users */
    unsigned user_of; /* the second client: which of session_users */
    bool users_are_there;
    unsigned quiet_turns; /* in a row, in which nothing could happen */
};

/* ---- clients ---- */

static void wake_nobody(struct op *op)
{
    FUZZ_CHECK(op);
}

/* As a login does; NULL: the administrator. */
static void log_in(struct world *w, struct client *c, const struct session_user *as)
{
    static const char *const of_reader[] = {HIDDEN_STORE_WORD, HIDDEN_LABEL_WORD,
                                            HIDDEN_VALUE_WORD, NULL};
    static const char *const of_blind[] = {HIDDEN_STORE_WORD, HIDDEN_LABEL_WORD,
                                           HIDDEN_VALUE_WORD, HIDDEN_KEY_WORD, NULL};
    struct connection *connection =
        LIST_ENTRY(w->server->connections.previous, struct connection, in_all);
    struct user *user = users_find(&w->server->users, slice_text(as ? as->name : "root"));

    FUZZ_CHECK(user && !connection_admit(connection, user->facts.rights.is_admin));
    session_log_in(&connection->session, user);
    if (as)
        model_hide(c->model, as->reads ? of_reader : of_blind);
}

static const struct session_user *user_of(const struct world *w, const struct client *c)
{
    size_t i = (size_t)(c - w->clients);

    return i ? &session_users[(i + w->user_of) % SESSION_USERS] : NULL;
}

static bool add_user(struct world *w, const struct session_user *as)
{
    struct user_facts facts = {.rights = {.is_admin = !as}};
    struct slice name = slice_text(as ? as->name : "root");
    struct dice d = {1};
    struct user *user;
    const char *why;
    struct op op;
    enum err e = ERR_OK;
    bool cut;

    if (users_find(&w->server->users, name))
        return true;
    if (as) {
        struct msgpack_cursor at;

        buffer_clear(&w->scratch);
        session_put_grants(&d, as, 0xff, &w->scratch);
        at = msgpack_open(buffer_slice(&w->scratch));
        e = rights_read_grants(&at, &facts.rights, &why);
        FUZZ_CHECK(e == ERR_OK);
    }
    op_init(&op, w->server->db, wake_nobody);
    e = users_put(&w->server->users, &op, name, &facts, &user, &cut);
    op_fini(&op);
    user_facts_fini(&facts);
    return e == ERR_OK;
}

/* Some of them may have been lost with the power. false: another time. */
static bool add_users(struct world *w)
{
    bool all = add_user(w, NULL);

    for (unsigned i = 0; i < SESSION_USERS && all; i++)
        all = add_user(w, &session_users[i]);
    return all;
}

static void connect_client(struct world *w, struct client *c, bool by_unix)
{
    struct list_link *before = w->server->connections.previous;

    c->socket = sim_socket_connect(w->loop);
    c->model = model_connect(w->model, w->options.frame_size);
    c->is_stalled = false;
    FUZZ_CHECK(connection_accept(
        w->server, SIM_SOCKET_FD,
        &(struct connection_ground){.kind = by_unix ? CONNECTION_UNIX : CONNECTION_TCP}));
    /* without memory it is not taken */
    if (w->has_users && w->server->connections.previous != before)
        log_in(w, c, user_of(w, c));
}

static void send_bytes(struct world *w, struct client *c, struct slice bytes)
{
    if (!c->socket)
        connect_client(w, c, c == &w->clients[0]);
    model_sent(c->model, bytes);
    sim_socket_send(c->socket, bytes);
}

static void say_eof(struct client *c)
{
    sim_socket_send_eof(c->socket);
    model_sent_eof(c->model);
}

/* What the server lets go reaches the clients; what it has ended is over. */
static void receive(struct world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];

        if (!c->socket)
            continue;
        if (sim_socket_received(c->socket).size && !c->is_stalled) {
            model_received(c->model, sim_socket_received(c->socket));
            sim_socket_consume(c->socket);
        }
        if (sim_socket_has_ended(c->socket) && !sim_socket_received(c->socket).size) {
            if (w->was_hurt || w->may_close || w->phase == PHASE_STOPPING)
                model_cut(c->model);
            model_ended(c->model, false);
            say_eof(c);
            c->socket = NULL;
        }
    }
}

/* ---- steps ---- */

/* Half of the administrator's requests have something in them that users may not see. */
static unsigned hidden_of(uint8_t choice)
{
    return choice % 4 == 0 ? choice >> 2 & 7u : choice % 4 == 1 ? HIDDEN_LABEL | HIDDEN_KEY : 0;
}

/* A user asks for a name that is nearly the hidden store's, or for that very store. */
static unsigned probe_of(uint8_t choice)
{
    return choice % 16 == 0 ? NEAR_STORE : choice % 64 == 1 ? HIDDEN_STORE : 0;
}

static void step_request(struct world *w, struct client *c, const uint8_t *step,
                         enum request_fault fault)
{
    struct request_choice choice = {
        .method = step[2],
        .t = step[3] % 4,
        .open_t = c->model && step[3] < 224 ? model_open_handle(c->model, step[3] / 4) : 0,
        .store = step[4],
        .key = step[5],
        .options = step[6],
        .extra = step[7],
        .fault = fault,
        .notification = step[9] % 32 == 31,
        .msgid = ++c->next_msgid,
        .n = ++w->n,
        .cursor = c->model ? model_cursor(c->model) : 0,
        .waiting = c->model ? model_waiting(c->model, step[5]) : 0,
        .version = model_version(w->model, step[5]),
        .hidden = !w->has_users         ? 0
                  : c == &w->clients[0] ? hidden_of(step[8])
                                        : probe_of(step[8]),
    };

    buffer_clear(&w->scratch);
    session_request_make(&choice, &w->scratch);
}

/* Two bytes of the request become others. */
static void mutate(struct world *w, const uint8_t *step)
{
    struct buffer *b = &w->scratch;
    size_t at = step[8] * b->size / 256;

    switch (step[9] % 4) {
    case 0: b->data[at] = step[7]; break;
    case 1: b->data[at] ^= (uint8_t)(1 << step[7] % 8); break;
    case 2:
        memmove(b->data + at, b->data + at + 1, b->size - at - 1);
        b->size--;
        break;
    default:
        buffer_put_byte(b, 0);
        memmove(b->data + at + 1, b->data + at, b->size - at - 1);
        b->data[at] = step[7];
    }
}

static void step_raw(struct world *w, struct client *c, const uint8_t *step)
{
    size_t size = step[2] % (RAW_BYTES_MAX + 1);

    if (size > w->input.size)
        size = w->input.size;
    send_bytes(w, c, slice_make(w->input.data, size));
    w->input = slice_make(w->input.data + size, w->input.size - size);
}

static void step_connection(struct world *w, struct client *c, const uint8_t *step)
{
    if (!c->socket) {
        connect_client(w, c, step[3] & 1);
        return;
    }
    switch (step[2] % 6) {
    case 0:
        model_cut(c->model);
        sim_socket_reset(c->socket);
        c->socket = NULL;
        break;
    case 1: say_eof(c); break;
    case 2:
        c->is_stalled = true;
        w->may_close = true; /* of a client that does not read */
        sim_socket_set_room(c->socket, step[3]);
        break;
    default: c->is_stalled = false; sim_socket_set_room(c->socket, SIZE_MAX);
    }
}

static void let_lanes_go(struct world *w)
{
    for (unsigned i = 0; i < OS_LANE_COUNT; i++)
        sim_stall_lane(w->sim, (enum os_lane)i, false);
}

static void step_machine(struct world *w, const uint8_t *step)
{
    uint64_t nth = 1 + step[3] % 16;

    if (walk.is_on && step[2] % 12 < 6)
        return;
    switch (step[2] % 12) {
    case 0: sim_fail_at(w->sim, SIM_FAULT_WRITE, nth); break;
    case 1: sim_fail_at(w->sim, SIM_FAULT_SYNC, nth); break;
    case 2: sim_fail_at(w->sim, SIM_FAULT_READ, nth); break;
    case 3: sim_fail_at(w->sim, SIM_FAULT_ALLOC, nth); break;
    case 4: sim_fail_at(w->sim, SIM_FAULT_SPACE, nth); break;
    case 5: sim_fail_at(w->sim, SIM_FAULT_WRITEBACK, nth); break;
    case 6: sim_stall_lane(w->sim, (enum os_lane)(step[3] % OS_LANE_COUNT), true); return;
    case 7: let_lanes_go(w); return;
    default:
        sim_advance_ms(w->sim, step[3] < 128 ? step[3] : UINT64_C(1) << step[3] % 20);
        w->may_close = true; /* of a message that has not arrived in time */
        return;
    }
    w->was_hurt = true;
}

static void end_life(struct world *w)
{
    w->phase = PHASE_STOPPING;
    sim_fail_clear(w->sim);
    let_lanes_go(w);
    daemon_stop(w->server, EX_OK, "the steps are at their end");
}

/* The process ends in the middle of things. A server cannot be left standing, so it is the disk
 * that ends: the power goes off, or every write and sync fails, soon; what the server does then
 * changes nothing any more. */
static void break_life(struct world *w, const uint8_t *step)
{
    uint64_t soon = step[4] % 8;

    end_life(w);
    w->was_hurt = true;
    if (step[3] & 4) {
        sim_power_off_after(w->sim, soon);
        return;
    }
    sim_fail_from(w->sim, SIM_FAULT_WRITE, soon + 1);
    sim_fail_from(w->sim, SIM_FAULT_SYNC, soon / 2 + 1);
}

static void follow(struct world *w, const uint8_t *step)
{
    static const size_t chunks[] = {SIZE_MAX, SIZE_MAX, 1, 13};

    w->chunk = chunks[step[1] >> 4 & 3];
    switch (step[1] >> 6) {
    case 0: break;
    case 1: w->rest = 1; break;
    case 2: w->settle = true; break;
    default: w->rest = 1 + step[9] % 8;
    }
}

static void take_step(struct world *w)
{
    uint8_t step[STEP_BYTES];
    struct client *c;
    unsigned kind;

    memcpy(step, w->input.data, STEP_BYTES);
    w->input = slice_make(w->input.data + STEP_BYTES, w->input.size - STEP_BYTES);
    c = &w->clients[step[1] % CLIENTS];
    kind = step[0] % 32;
    if (kind < STEP_RAW) {
        step_request(w, c, step,
                     kind < STEP_WRONG
                         ? REQUEST_GOOD
                         : (enum request_fault)(1 + step[8] % (REQUEST_FAULT_COUNT - 1)));
        if (kind >= STEP_MUTATED && kind < STEP_WRONG)
            mutate(w, step);
        send_bytes(w, c, buffer_slice(&w->scratch));
    } else if (kind < STEP_CONNECTION) {
        step_raw(w, c, step);
    } else if (kind < STEP_MACHINE) {
        step_connection(w, c, step);
    } else if (kind < STEP_END) {
        step_machine(w, step);
    } else if (w->lives < LIVES_MAX && step[2] % 4 == 0) {
        if (step[3] % 4)
            break_life(w, step);
        else
            end_life(w);
    }
    if (kind < STEP_RAW && w->scratch.size && step[2] == METHOD_KILL)
        w->may_close = true;
    w->quiet_turns = 0;
    follow(w, step);
}

/* ---- the end of the input ---- */

static void begin_farewell(struct world *w)
{
    w->phase = PHASE_FAREWELL;
    w->chunk = SIZE_MAX;
    let_lanes_go(w);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];

        if (!c->socket)
            continue;
        c->is_stalled = false;
        sim_socket_set_room(c->socket, SIZE_MAX);
        say_eof(c);
    }
}

static bool all_have_left(const struct world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].socket)
            return false;
    return true;
}

/* Of what the model can judge: what is there now? */
static void read_back(struct world *w)
{
    struct slice store;
    unsigned key;

    w->reads_back = false;
    for (unsigned i = 0; model_nth_cell(w->model, i, &store, &key); i++) {
        struct client *c = &w->clients[0];
        struct dice d = {1};

        buffer_clear(&w->scratch);
        value_put_array_head(&d, 4, &w->scratch);
        buffer_put_byte(&w->scratch, 0);
        value_put_uint(&d, ++c->next_msgid, &w->scratch);
        value_put_text(&d, slice_text("get"), &w->scratch);
        value_put_array_head(&d, 3, &w->scratch);
        buffer_put_byte(&w->scratch, 0);
        value_put_text(&d, store, &w->scratch);
        buffer_put_byte(&w->scratch, (uint8_t)key);
        send_bytes(w, c, buffer_slice(&w->scratch));
    }
}

/* ---- the loop ---- */

/* Nothing more happens by itself, though jobs of a stalled lane may wait: not in this iteration of
 * the loop nor in the one before, for what came in one is looked at in the next. */
static bool is_quiet(const struct world *w)
{
    return w->quiet_turns >= 2;
}

static void walk_arm(struct world *w)
{
    if (!walk.n || w->is_armed)
        return;
    w->is_armed = w->was_hurt = true;
    sim_fail_arm(w->sim, walk.fault, walk.n, walk.stays);
}

static void play(struct world *w)
{
    if (w->has_users && !w->users_are_there) {
        w->users_are_there = add_users(w);
        return;
    }
    walk_arm(w);
    if (w->settle && !is_quiet(w))
        return;
    w->settle = false;
    if (w->rest) {
        w->rest--;
        return;
    }
    if (w->reads_back)
        read_back(w);
    while (w->phase == PHASE_STEPS && !w->rest && !w->settle) {
        if (w->input.size < STEP_BYTES || w->steps++ == STEPS_MAX) {
            w->quiet_turns = 0;
            begin_farewell(w);
            return;
        }
        take_step(w);
    }
}

static void say_stuck(const struct world *w)
{
    fprintf(
        stderr,
        "life %u hangs: phase %d, server state %d, %u steps, settle %d, rest %u, quiet %d\n",
        w->lives, (int)w->phase, (int)w->server->state, w->steps, w->settle, w->rest,
        sim_loop_is_quiet(w->loop));
    if (walk.n)
        fprintf(stderr, "  fault %d at %llu%s\n", (int)walk.fault, (unsigned long long)walk.n,
                walk.stays ? " and from then on" : "");
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].socket)
            fprintf(stderr, "  client %u waits for %u answers\n", i,
                    model_in_flight(w->clients[i].model));
}

static void on_poll(void *context)
{
    struct world *w = context;
    bool has_stepped;

    if (++w->turns == TURNS_MAX)
        say_stuck(w);
    FUZZ_CHECK(w->turns <= TURNS_MAX);
    sim_loop_move_bytes(w->loop, w->chunk);
    has_stepped = sim_step(w->sim);
    receive(w);
    w->quiet_turns = has_stepped || !sim_loop_is_quiet(w->loop) ? 0 : w->quiet_turns + 1;
    if (w->server->state != SERVER_SERVING) {
        w->phase = PHASE_STOPPING;
        let_lanes_go(w); /* else it gives up at the end of its time, and the process with it */
    } else if (w->phase == PHASE_STEPS) {
        FUZZ_CHECK(w->steps % 8 || server_check(w->server));
        play(w);
        return;
    }
    if (w->phase == PHASE_FAREWELL && all_have_left(w) && is_quiet(w)) {
        FUZZ_CHECK(db_check(w->server->db) && server_check(w->server));
        end_life(w);
        return;
    }
    if (is_quiet(w))
        sim_loop_advance_to_timer(w->loop, 1000);
}

/* ---- lives ---- */

static void choose_options(struct world *w, uint8_t choice)
{
    struct options *o = &w->options;

    options_default(o);
    o->stage_size = choice & 1 ? 4 * KIB : 64 * KIB;
    o->staged_max = MIB;
    o->held_memory = choice & 2 ? 4 * KIB : 64 * KIB;
    o->cache_size = choice & 4 ? 64 * KIB : MIB;
    o->page_size = 4 * KIB;
    o->link_max = choice & 8 ? KIB : 64 * KIB;
    o->depth = 16;
    o->elements = 200;
    o->frame_size = 16 * KIB;
    o->transactions = 24;
    o->connections = 64;
    o->connections_reserved = 1;
    o->requests_in_flight = 8;
    o->scan_rows = choice & 16 ? 2 : 1000;
    o->value_size = 2 * KIB;
}

static struct log_output server_log;

/* An error that the disk has not told anybody yet is told to the next who syncs the file, and that
 * may be a server at its start, which gives up. Then the next one starts. */
static void open_server(struct world *w)
{
    static struct server server; /* large */
    struct daemon_ground ground = {.log = &server_log};
    char why[OPTION_ERROR_BYTES];
    unsigned tries = w->was_hurt ? 3 : 1;
    enum err e = ERR_IO;

    w->server = &server;
    while (e && tries--) {
        w->loop = sim_loop_new(w->sim, on_poll, w);
        ground.loop = sim_loop_uv(w->loop);
        ground.posix = sim_loop_posix(w->loop);
        e = daemon_open(&server, &ground, &w->options, NULL, why);
        if (e)
            sim_loop_free(w->loop);
    }
    if (e)
        fprintf(stderr, "the server does not start: %s\n", why);
    FUZZ_CHECK(e == ERR_OK);
}

/* One life, from its start to its last byte of memory given back. */
static void live(struct world *w)
{
    int code;

    open_server(w);
    w->lives++;
    w->is_scarred |= w->was_hurt;
    w->turns = w->rest = w->quiet_turns = 0;
    w->settle = w->was_hurt = w->may_close = w->users_are_there = false;
    w->phase = PHASE_STEPS;
    code = daemon_run(w->server);
    walk.has_fired = walk.has_fired || (walk.n && sim_fault_fired(w->sim, walk.fault));
    if (code != EX_OK && w->is_scarred)
        w->was_hurt = true;
    FUZZ_CHECK(code == EX_OK || w->was_hurt);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].socket) {
            model_cut(w->clients[i].model);
            w->clients[i].socket = NULL;
        }
    FUZZ_CHECK(sim_loop_free(w->loop));
    FUZZ_CHECK(sim_open_files(w->sim) == 0 || sim_is_off(w->sim));
    FUZZ_CHECK(sim_alloc_outstanding(w->sim) == 0);
    model_life_ended(w->model, code == EX_OK && !w->was_hurt);
    if (sim_is_off(w->sim))
        sim_crash(w->sim);
    else if (w->was_hurt)
        sim_kill(w->sim);
    sim_fail_clear(w->sim);
}

static void run_input(struct slice input)
{
    struct world w = {.input = input, .chunk = SIZE_MAX};

    w.sim = sim_new(input.size > 1 ? input.data[1] : 0);
    w.model = model_new();
    choose_options(&w, input.size ? input.data[0] : 0);
    w.has_users = input.size && input.data[0] & 0x20;
    w.user_of = input.size ? input.data[0] >> 6 : 0;
    if (input.size >= LIFE_HEAD)
        w.input = slice_make(input.data + LIFE_HEAD, input.size - LIFE_HEAD);
    do {
        w.reads_back = w.lives > 0;
        live(&w);
    } while (w.input.size >= STEP_BYTES && w.steps <= STEPS_MAX);
    w.input.size = 0;
    w.reads_back = true;
    live(&w);
    model_free(w.model);
    buffer_fini(&w.scratch);
    sim_free(w.sim);
}

/* Every n at first, and fewer the further it is. */
static void walk_input(struct slice input)
{
    static const enum sim_fault kinds[] = {SIM_FAULT_ALLOC, SIM_FAULT_SOCKET, SIM_FAULT_WRITE,
                                           SIM_FAULT_SYNC,  SIM_FAULT_READ,   SIM_FAULT_SPACE};
    static double end;

    if (end <= 0)
        end = totals_now() + totals_seconds();
    for (unsigned i = 0; i < 2 * sizeof kinds / sizeof *kinds; i++) {
        walk.fault = kinds[i / 2];
        walk.stays = i % 2;
        for (walk.n = 1; walk.n < WALK_MAX; walk.n += 1 + walk.n / 16) {
            walk.has_fired = false;
            run_input(input);
            totals_add(TOTAL_SEEDS, 1);
            if (!walk.has_fired || (totals_seconds() > 0 && totals_now() > end))
                break;
        }
    }
    walk.n = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!server_log.fd)
        log_output_init(&server_log,
                        getenv("MODEL_SAY") ? STDERR_FILENO
                                            : open("/dev/null", O_WRONLY | O_CLOEXEC),
                        LOG_LEVEL_DEBUG);
    run_input(slice_make(data, size));
    totals_add(TOTAL_SEEDS, 1);
    walk.is_on = getenv("FAULT_WALK") != NULL;
    if (walk.is_on)
        walk_input(slice_make(data, size));
    return 0;
}

/* What shows what there is. */
static const enum method_id lists[] = {METHOD_STORES,   METHOD_HOLDS,     METHOD_CLIENTS,
                                       METHOD_STATUS,   METHOD_DATABASES, METHOD_ALTER_USER,
                                       METHOD_SET_QUOTA};

/* A choice that is none of those that stand for what clients send most. */
static uint8_t choice_of(enum method_id id)
{
    unsigned choice = (unsigned)id;

    while (choice < SESSION_OFTEN)
        choice += METHOD_COUNT;
    return (uint8_t)choice;
}

/* A step that is likely to mean something beside the others: mostly a right request, one of those
 * that clients send most, about few records. */
static void make_step(struct dice *d, uint8_t *step)
{
    for (unsigned i = 0; i < STEP_BYTES; i++)
        step[i] = (uint8_t)dice_next(d);
    if (dice_below(d, 16) == 0)
        return; /* anything */
    step[0] = (uint8_t)(dice_below(d, 16) ? dice_below(d, STEP_MUTATED)
                                          : STEP_WRONG + dice_below(d, STEP_RAW - STEP_WRONG));
    step[1] &= 0xfd; /* two of the clients */
    step[2] = (uint8_t)dice_below(d, SESSION_OFTEN);
    if (dice_below(d, 12) == 0)
        step[2] = choice_of(lists[dice_below(d, COUNT_OF(lists))]);
    step[6] &= (uint8_t)dice_next(d); /* few options */
    step[4] = (uint8_t)dice_below(d, 2);
    step[5] = (uint8_t)dice_below(d, 2);
    step[9] &= 0xe3; /* what is no notification is answered, and judged */
}

/* What most of the steps behind it need: three stores, and a transaction of each of two clients. */
static void make_first_steps(struct dice *d, uint8_t *steps, unsigned count)
{
    for (unsigned i = 0; i < count && i < 5; i++) {
        uint8_t *step = steps + i * STEP_BYTES;
        bool creates = i < 2 || i == 4;

        memset(step, 0, STEP_BYTES);
        step[1] = (uint8_t)(2 << 6 | (i & 1)); /* settled before the next */
        step[2] = creates ? SESSION_CREATE_STORE : SESSION_BEGIN;
        step[3] = creates ? 224 : 225; /* by itself; handle 1 */
        step[8] = i == 4 ? 4 : i == 2; /* the hidden store; a hidden label */
        step[4] = (uint8_t)(i & 1);
        if (!creates)
            step[6] = (uint8_t)dice_next(d);
        step[7] = (uint8_t)dice_next(d);
    }
}

static void make_life(struct dice *d, uint8_t *bytes, unsigned steps)
{
    for (unsigned i = 0; i < LIFE_HEAD; i++)
        bytes[i] = (uint8_t)dice_next(d);
    for (unsigned i = 0; i < steps; i++)
        make_step(d, bytes + LIFE_HEAD + i * STEP_BYTES);
    if (dice_below(d, 8))
        make_first_steps(d, bytes + LIFE_HEAD, steps);
}

void fuzz_seed(struct dice *d, struct buffer *out)
{
    uint8_t bytes[LIFE_HEAD + 64 * STEP_BYTES];
    unsigned steps = 4 + (unsigned)dice_below(d, 60);

    make_life(d, bytes, steps);
    buffer_put(out, bytes, LIFE_HEAD + steps * STEP_BYTES);
}

#ifndef FUZZ_STANDALONE
/* One step more, or another one in its place. */
static size_t mutate_step(struct dice *d, uint8_t *data, size_t size, size_t max)
{
    size_t steps = (size - LIFE_HEAD) / STEP_BYTES;
    uint8_t *at = data + LIFE_HEAD + dice_below(d, steps + 1) * STEP_BYTES;
    size_t behind = (size_t)(data + LIFE_HEAD + steps * STEP_BYTES - at);

    if (dice_below(d, 3) && size + STEP_BYTES <= max) {
        memmove(at + STEP_BYTES, at, behind);
        size = LIFE_HEAD + (steps + 1) * STEP_BYTES;
    } else if (!behind) {
        return size;
    }
    make_step(d, at);
    return size;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    struct dice d = {seed};
    size_t steps_max = (max - LIFE_HEAD) / STEP_BYTES;

    if (max < LIFE_HEAD + STEP_BYTES || !dice_below(&d, 4))
        return LLVMFuzzerMutate(data, size, max);
    if (size < LIFE_HEAD + 4 * STEP_BYTES || !dice_below(&d, 16)) {
        unsigned steps = 1 + (unsigned)dice_below(&d, steps_max < 64 ? steps_max : 64);

        make_life(&d, data, steps);
        return LIFE_HEAD + steps * STEP_BYTES;
    }
    return mutate_step(&d, data, size, max);
}
#endif
