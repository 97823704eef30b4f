/* test_turns.c - who is served when: queues that are fair to owners, the rules of a turn, and a
 * whole server in the simulator beside clients that ask for as much as they can. */
#include "server/base/assert.h"
#include "server/base/fair_queue.h"
#include "server/net/accept.h"
#include "server/net/daemon.h"
#include "server/net/log_line.h"
#include "server/net/server_check.h"
#include "tests/sim/sim_uv.h"
#include "tests/unit/values.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static struct dice dice = {1};

/* ---- fair queues ---- */

#define OWNERS 7
#define MEMBERS 40

struct waiter {
    struct list_link link;
    unsigned owner;
    uint64_t since; /* 0: it does not wait */
};

/* Of its owner, nobody has waited for longer. */
static bool is_first_of_owner(const struct waiter *all, const struct waiter *w)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (all[i].owner == w->owner && all[i].since && all[i].since < w->since)
            return false;
    return true;
}

START_TEST(a_fair_queue_serves_owners_in_turn_and_members_in_order)
{
    struct fair_queue q;
    struct fair_line lines[OWNERS];
    struct waiter all[MEMBERS] = {{.since = 0}};
    unsigned waiting[OWNERS] = {0}, passed[OWNERS] = {0}, count = 0;

    fair_queue_init(&q);
    for (unsigned i = 0; i < OWNERS; i++)
        fair_line_init(&lines[i]);
    for (unsigned i = 0; i < MEMBERS; i++) {
        list_init(&all[i].link);
        all[i].owner =
            i < MEMBERS / 2
                ? 0
                : (unsigned)dice_below(&dice, OWNERS); /* one of them has very many */
    }
    for (uint64_t step = 1; step < 200000; step++) {
        struct waiter *w = &all[dice_below(&dice, MEMBERS)];
        struct list_link *link;

        ck_assert_int_eq(fair_queue_is_empty(&q), count == 0);
        if (dice_below(&dice, 2)) {
            if (!w->since) {
                fair_queue_push(&q, &lines[w->owner], &w->link);
                w->since = step;
                waiting[w->owner]++;
                count++;
            } else if (dice_below(&dice, 8) == 0) { /* it gives up */
                list_remove(&w->link);
                w->since = 0;
                passed[w->owner] = --waiting[w->owner] ? passed[w->owner] : 0;
                count--;
            }
            continue;
        }
        link = fair_queue_take(&q);
        ck_assert_int_eq(!link, count == 0);
        if (!link)
            continue;
        w = LIST_ENTRY(link, struct waiter, link);
        ck_assert(w->since && is_first_of_owner(all, w));
        w->since = 0;
        waiting[w->owner]--;
        count--;
        for (unsigned i = 0; i < OWNERS; i++) {
            passed[i] = i == w->owner || !waiting[i] ? 0 : passed[i] + 1;
            ck_assert_uint_lt(passed[i], 2 * OWNERS);
        }
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        list_remove(&all[i].link);
    for (unsigned i = 0; i < OWNERS; i++)
        fair_line_fini(&lines[i]);
    ck_assert(fair_queue_is_empty(&q));
}
END_TEST

/* ---- the rules of a turn ---- */

static struct reactor_client client;

static void make_ready(struct reactor *r, struct reactor_member *m, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        reactor_member_init(&m[i], &client);
        reactor_ready(r, &m[i]);
    }
}

static void open_reactor(struct reactor *r)
{
    static uv_loop_t loop;
    static struct sim_loop *of;
    static struct sim *sim;

    if (!of) {
        sim = sim_new(1);
        of = sim_loop_new(sim, NULL, NULL);
        loop = *sim_loop_uv(of);
    }
    reactor_init(r, &loop);
    reactor_client_init(&client);
    reactor_begin_turn(r);
}

START_TEST(a_member_has_one_share_of_a_turn)
{
    struct reactor r;
    struct reactor_member m[3];

    open_reactor(&r);
    make_ready(&r, m, 3);
    ck_assert_ptr_eq(reactor_next(&r, false), &m[0]);
    reactor_ready(&r, &m[0]);
    reactor_ready(&r, &m[1]); /* it waits already, in front of another */
    ck_assert_ptr_eq(reactor_next(&r, false), &m[1]);
    ck_assert_ptr_eq(reactor_next(&r, true), &m[2]);
    ck_assert_ptr_null(reactor_next(&r, false));
    ck_assert(reactor_has_work(&r));
    reactor_begin_turn(&r);
    ck_assert_ptr_eq(reactor_next(&r, false), &m[0]);
    ck_assert_ptr_null(reactor_next(&r, false));
    ck_assert(!reactor_has_work(&r));
}
END_TEST

START_TEST(who_used_up_a_share_stands_behind_who_did_not_but_not_for_ever)
{
    struct reactor r;
    struct reactor_member m[4];

    open_reactor(&r);
    make_ready(&r, m, 2);
    ck_assert_ptr_eq(reactor_next(&r, false), &m[0]);
    m[0].is_heavy = true;
    reactor_ready(&r, &m[0]);
    ck_assert_ptr_eq(reactor_next(&r, false), &m[1]);
    reactor_begin_turn(&r);
    reactor_ready(&r, &m[1]);
    make_ready(&r, m + 2, 2);
    ck_assert_ptr_eq(reactor_next(&r, false), &m[1]);
    ck_assert_ptr_eq(reactor_next(&r, false), &m[2]);
    ck_assert_ptr_eq(reactor_next(&r, true), &m[0]); /* the other half is its own */
    ck_assert_ptr_eq(reactor_next(&r, true), &m[3]);
    ck_assert_ptr_null(reactor_next(&r, true));
}
END_TEST

START_TEST(who_starves_waits_until_he_is_woken_or_can_go_on)
{
    struct reactor r;
    struct reactor_member m[3];

    open_reactor(&r);
    make_ready(&r, m, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_ptr_eq(reactor_next(&r, false), &m[i]);
        reactor_starve(&r, &m[i]);
    }
    reactor_begin_turn(&r);
    ck_assert(!reactor_has_work(&r));
    reactor_wake_starved(&r);
    reactor_ready(&r, &m[2]);
    reactor_leave(&m[1]);
    reactor_wake_starved(&r);
    reactor_wake_starved(&r);
    ck_assert_ptr_eq(reactor_next(&r, false), &m[0]);
    ck_assert_ptr_eq(reactor_next(&r, false), &m[2]);
    ck_assert_ptr_null(reactor_next(&r, false));
}
END_TEST

/* ---- a whole server ---- */

#define HOGS 120
#define VALUE_BYTES 1000
#define KEYS_ASKED 1000 /* of one value: an answer of a megabyte */
#define CLOCK_NS 50000  /* what looking at the clock takes: a turn has forty looks */
#define TURNS_MAX 20000

struct world {
    struct sim *sim;
    struct sim_loop *loop;
    struct server *server;
    struct sim_socket *one; /* asks for little */
    struct sim_socket *hogs[HOGS];
    uint32_t address; /* of the hogs; that of the one is 1 */
    void (*play)(struct world *w);
    unsigned phase, turns, since;
    size_t hogs_got, hogs_got_in_a_turn; /* the latter: at most */
    uint32_t msgid;
};

static void send_message(struct sim_socket *s, struct net_buffer *b)
{
    ck_assert(!b->failed);
    sim_socket_send(s, slice_make(b->data, b->used));
    net_buffer_fini(b);
}

static void begin_message(struct world *w, struct net_buffer *b, const char *method, uint32_t n)
{
    *b = NET_BUFFER_EMPTY;
    put_array(b, 4);
    put_uint(b, 0);
    put_uint(b, ++w->msgid);
    put_word(b, method);
    put_array(b, n);
}

static struct sim_socket *connect_from(struct world *w, uint32_t address)
{
    struct sim_socket *s = sim_socket_connect(w->loop);

    sim_socket_set_address(s, address);
    ck_assert(connection_accept(w->server, SIM_SOCKET_FD,
                                &(struct connection_ground){.kind = CONNECTION_TCP}));
    return s;
}

static void send_ping(struct world *w)
{
    struct net_buffer b;

    begin_message(w, &b, "ping", 0);
    send_message(w->one, &b);
    w->since = w->turns;
}

static void send_record(struct world *w)
{
    static uint8_t value[VALUE_BYTES];
    struct net_buffer b;

    begin_message(w, &b, "create_store", 2);
    put_uint(&b, 0);
    put_word(&b, "x");
    send_message(w->one, &b);
    begin_message(w, &b, "put", 4);
    put_uint(&b, 0);
    put_word(&b, "x");
    put_binary(&b, slice_make(value, sizeof value));
    put_uint(&b, 1);
    send_message(w->one, &b);
}

static void ask_much(struct world *w, struct sim_socket *hog)
{
    struct net_buffer b;

    begin_message(w, &b, "get_many", 3);
    put_uint(&b, 0);
    put_word(&b, "x");
    put_array(&b, KEYS_ASKED);
    for (unsigned i = 0; i < KEYS_ASKED; i++)
        put_uint(&b, 1);
    send_message(hog, &b);
}

/* What has come since the last turn is taken; how much. */
static size_t take(struct sim_socket *s)
{
    size_t size = sim_socket_received(s).size;

    sim_socket_consume(s);
    return size;
}

static void hogs_take(struct world *w)
{
    size_t got = 0;

    for (unsigned i = 0; i < HOGS && w->hogs[i]; i++)
        got += take(w->hogs[i]);
    w->hogs_got += got;
    if (got > w->hogs_got_in_a_turn)
        w->hogs_got_in_a_turn = got;
}

static void on_poll(void *context)
{
    struct world *w = context;

    ck_assert_uint_lt(++w->turns, TURNS_MAX);
    ck_assert(server_check(w->server));
    sim_loop_move_bytes(w->loop, SIZE_MAX);
    while (sim_step(w->sim))
        continue;
    if (w->server->state == SERVER_SERVING)
        w->play(w);
    if (sim_loop_is_quiet(w->loop))
        sim_loop_advance_to_timer(w->loop, 100);
}

/* A record is there, and the hogs have come. */
static bool has_begun(struct world *w)
{
    if (w->phase == 0) {
        w->one = connect_from(w, 1);
        for (unsigned i = 0; i < HOGS; i++)
            w->hogs[i] = connect_from(w, w->address);
        send_record(w);
        w->phase = 1;
    } else if (w->phase == 1 && sim_socket_received(w->one).size >= 8) { /* two answers */
        take(w->one);
        w->phase = 2;
        return true;
    }
    return w->phase > 2;
}

static void end(struct world *w)
{
    w->phase = 9;
    daemon_stop(w->server, EX_OK, "the test has seen it");
}

static void live(struct world *w)
{
    static struct log_output log;
    static struct server server; /* large */
    struct options options;
    struct daemon_ground ground = {.log = &log};
    char why[OPTION_ERROR_BYTES];

    log_output_init(&log, open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_ERROR);
    options_default(&options);
    w->sim = sim_new(1);
    sim_knobs(w->sim)->wait_percent = 0;
    sim_knobs(w->sim)->clock_ns = CLOCK_NS;
    w->loop = sim_loop_new(w->sim, on_poll, w);
    w->server = &server;
    ground.loop = sim_loop_uv(w->loop);
    ground.posix = sim_loop_posix(w->loop);
    ck_assert_int_eq(daemon_open(&server, &ground, &options, NULL, why), ERR_OK);
    ck_assert_int_eq(daemon_run(&server), EX_OK);
    ck_assert_uint_eq(w->phase, 9);
    ck_assert(sim_loop_free(w->loop));
    ck_assert_uint_eq(sim_alloc_outstanding(w->sim), 0);
    sim_free(w->sim);
}

/* All ask for their megabyte, and read whatever comes; in each turn the one asks for a ping. */
static void play_pings(struct world *w)
{
    hogs_take(w);
    if (!has_begun(w))
        return;
    if (w->phase == 2) {
        for (unsigned i = 0; i < HOGS; i++)
            ask_much(w, w->hogs[i]);
        w->phase = 3;
        send_ping(w);
    } else if (w->phase == 3) {
        /* It is read in one turn, and served in that or the next; but of one client, nobody
         * knows at first who will ask for much. */
        unsigned most = w->address == 1 && !w->hogs_got ? HOGS / 6 : 2;

        ck_assert_uint_le(w->turns - w->since, most);
        if (take(w->one))
            send_ping(w);
        if (w->hogs_got >= (size_t)HOGS * KEYS_ASKED * VALUE_BYTES) {
            /* A part of each that works in a turn, and some of what was left over. */
            ck_assert_uint_lt(w->hogs_got_in_a_turn, 4 * MIB);
            end(w);
        }
    }
}

START_TEST(who_asks_little_waits_for_few_of_another_client)
{
    struct world w = {.address = 2, .play = play_pings};

    live(&w);
}
END_TEST

START_TEST(who_asks_little_waits_for_few_of_its_own_client)
{
    struct world w = {.address = 1, .play = play_pings};

    live(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turns");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(all, a_fair_queue_serves_owners_in_turn_and_members_in_order);
    tcase_add_test(all, a_member_has_one_share_of_a_turn);
    tcase_add_test(all, who_used_up_a_share_stands_behind_who_did_not_but_not_for_ever);
    tcase_add_test(all, who_starves_waits_until_he_is_woken_or_can_go_on);
    tcase_add_test(all, who_asks_little_waits_for_few_of_another_client);
    tcase_add_test(all, who_asks_little_waits_for_few_of_its_own_client);
    tcase_set_timeout(all, 120);
    suite_add_tcase(suite, all);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
