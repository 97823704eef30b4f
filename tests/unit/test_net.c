/* test_net.c - the small parts of net/: maps of numbers, messages,
 * calls, buffers, log lines. The whole is judged over the socket
 * (tests/integration). */
#include "server/base/assert.h"
#include "server/net/net_buffer.h"
#include "server/net/call.h"
#include "server/net/frame.h"
#include "server/net/log_line.h"
#include "server/net/number_map.h"
#include "server/net/peers.h"
#include "server/txn/usage.h"
#include "server/net/seats.h"
#include "server/net/latency.h"
#include "server/net/turn_clock.h"
#include "tests/sim/sim_os.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t chance = 88172645463325252u;

static uint32_t any(uint32_t below)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance % below);
}

/* ---- number_map ---- */

#define NUMBERS 3000

START_TEST(a_number_map_is_as_its_model)
{
    static char values[NUMBERS];
    bool model[NUMBERS] = {false};
    struct number_map m = NUMBER_MAP_EMPTY;
    size_t count = 0;

    for (int step = 0; step < 200000; step++) {
        uint32_t i = any(NUMBERS);
        /* Runs of neighbours, and numbers far apart. */
        uint32_t number = i & 1 ? i : i * 1431655u;

        ck_assert_ptr_eq(number_map_find(&m, number), model[i] ? &values[i] : NULL);
        if (model[i]) {
            number_map_remove(&m, number);
            count--;
        } else {
            ck_assert(number_map_add(&m, number, &values[i]));
            count++;
        }
        model[i] = !model[i];
        ck_assert_uint_eq(m.count, count);
    }
    for (uint32_t i = 0; i < NUMBERS; i++) {
        uint32_t number = i & 1 ? i : i * 1431655u;

        ck_assert_ptr_eq(number_map_find(&m, number), model[i] ? &values[i] : NULL);
    }
    number_map_fini(&m);
    number_map_remove(&m, 5);
    ck_assert_ptr_null(number_map_find(&m, 5));
}
END_TEST

/* ---- messages ---- */

static struct frame read_bytes(const char *bytes, size_t size)
{
    struct frame f;

    frame_read(slice_make(bytes, size), &f);
    return f;
}

#define READ(bytes) read_bytes(bytes, sizeof bytes - 1)

START_TEST(messages_are_requests_notifications_or_broken)
{
    struct frame f = READ("\x94\x00\x05\xa4ping\x91\x01");

    ck_assert_int_eq(f.kind, FRAME_REQUEST);
    ck_assert_uint_eq(f.msgid, 5);
    ck_assert(slice_equal(f.method, slice_text("ping")));
    ck_assert(slice_equal(f.params, slice_make("\x91\x01", 2)));
    f = READ("\x93\x02\xa4ping\x90");
    ck_assert_int_eq(f.kind, FRAME_NOTIFICATION);
    f = READ("\x94\x00\x05\x05\x90");
    ck_assert_int_eq(f.kind, FRAME_REQUEST);
    ck_assert(slice_is_none(f.method));
    f = READ("\x94\x00\x05\xa4ping\xc0");
    ck_assert(slice_equal(f.params, slice_make("\xc0", 1)));
    ck_assert_int_eq(READ("\x90").kind, FRAME_BROKEN);
    ck_assert_int_eq(READ("\x05").kind, FRAME_BROKEN);
    ck_assert_int_eq(READ("\x94\x01\x05\xc0\xc0").kind, FRAME_BROKEN);
    ck_assert_int_eq(READ("\x94\x03\x05\xa4ping\x90").kind, FRAME_BROKEN);
    ck_assert_int_eq(READ("\x92\x02\xa4ping").kind, FRAME_BROKEN);
    f = READ("\x93\x00\x07\xa4ping");
    ck_assert_int_eq(f.kind, FRAME_BROKEN);
    ck_assert(f.addressed);
    ck_assert_uint_eq(f.msgid, 7);
}
END_TEST

START_TEST(the_msgid_of_a_message_that_does_not_end_is_found_where_it_can_be)
{
    uint32_t msgid = 0;

    ck_assert(frame_peek_msgid(slice_make("\x94\x00\x05", 3), &msgid));
    ck_assert_uint_eq(msgid, 5);
    ck_assert(frame_peek_msgid(slice_make("\xdd\xff\xff\xff\xff\x00\xcd\x01\x00", 9), &msgid));
    ck_assert_uint_eq(msgid, 256);
    ck_assert(!frame_peek_msgid(slice_make("\x94\x02\xa1x", 4), &msgid));
    ck_assert(!frame_peek_msgid(slice_make("\x94\x00", 2), &msgid));
    ck_assert(!frame_peek_msgid(slice_make("\xdc\x00", 2), &msgid));
    ck_assert(!frame_peek_msgid(slice_make("", 0), &msgid));
    ck_assert(!frame_peek_msgid(SLICE_NONE, &msgid));
}
END_TEST

START_TEST(the_head_of_a_message_names_who_is_to_be_refused)
{
    static const char put[] = "\x94\x00\x05\xa3put\x94\x07\xa1s\xc6\x00\x50\x00\x00xxxxxxxx";
    struct frame f;

    frame_read_head(slice_make(put, sizeof put - 1), &f);
    ck_assert_int_eq(f.kind, FRAME_REQUEST);
    ck_assert(f.refused);
    ck_assert_uint_eq(f.msgid, 5);
    ck_assert_uint_eq(f.t, 7);
    ck_assert(slice_equal(f.method, slice_text("put")));
    ck_assert(slice_is_none(f.params));
    frame_read_head(slice_make("\x93\x02\xa3run\x91\xc6\x00", 9), &f);
    ck_assert_int_eq(f.kind, FRAME_NOTIFICATION);
    ck_assert_uint_eq(f.t, 0);
    frame_read_head(slice_make("\x91\x07", 2), &f);
    ck_assert_int_eq(f.kind, FRAME_BROKEN);
}
END_TEST

/* Where the message is cut, and what it claims behind that, makes no difference. */
START_TEST(a_head_that_is_cut_says_whether_more_would_tell_more)
{
    static const struct {
        const char *bytes;
        size_t size, needed;
        uint32_t t;
    } heads[] = {
        {"\x94\x00\x05\xa3put\xdc\x01\x35\x07\xa1s", 13, 11, 7},
        {"\x94\x00\x05\xa3put\xdd\x00\x01\x00\x00\xcd\x01\x00", 15, 15, 256},
        {"\x94\x00\x05\xa4next\xdf\x00\x01\x00\x00\xa1u\xc0\xa1t\x09", 19, 19, 9},
        {"\x94\x00\x05\xa3put\x07", 8, 8, 7},
        {"\x94\x00\x05\xa3put\xdc\x01\x35\xc0\xa1s", 13, 11, 0},
        {"\x94\x00\x05\xa3put\x90", 8, 8, 0},
    };
    struct frame f;

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (size_t n = 7; n <= heads[i].size; n++) {
            bool is_whole = frame_read_head(slice_make(heads[i].bytes, n), &f);

            ck_assert_int_eq(is_whole, n >= heads[i].needed);
            ck_assert_int_eq(f.kind, FRAME_REQUEST);
            ck_assert_uint_eq(f.t, is_whole ? heads[i].t : 0);
        }
}
END_TEST

START_TEST(no_beginning_and_no_change_of_a_message_is_read_beyond_its_end)
{
    static const char good[] = "\x94\x00\x05\xa3put\x94\x00\xa1s\x82\xa1"
                               "a\x01\xa1"
                               "b\xcb\x00\x00\x00\x00\x00\x00\x00\x00\x81\xab"
                               "deadline_ms\x05";
    struct msgpack_limits limits = {1024, 100, 16};

    for (int round = 0; round < 50000; round++) {
        size_t size = 1 + any(sizeof good - 1);
        uint8_t *bytes = malloc(size); /* its end is watched by the sanitizer */
        struct msgpack_scan scan;
        struct failure failure;
        struct frame f;
        struct call call;
        uint32_t msgid;

        memcpy(bytes, good, size);
        for (uint32_t n = any(4); n; n--)
            bytes[any((uint32_t)size)] = (uint8_t)any(256);
        frame_peek_msgid(slice_make(bytes, size), &msgid);
        msgpack_scan_init(&scan);
        failure_init(&failure);
        if (msgpack_scan_feed(&scan, bytes, size, &limits) == ERR_OK) {
            frame_read(slice_make(bytes, scan.offset), &f);
            if (f.kind != FRAME_BROKEN && method_find(f.method))
                call_read(&call, method_find(f.method), f.params, false, &failure);
        }
        free(bytes);
    }
}
END_TEST

/* ---- calls ---- */

static enum err call_of(struct call *c, enum method_id id, const char *params, size_t size,
                        struct failure *f)
{
    failure_init(f);
    return call_read(c, &method_table[id], slice_make(params, size), false, f);
}

#define CALL(c, id, params, f) call_of(c, METHOD_##id, params, sizeof params - 1, f)

START_TEST(parameters_are_read_by_the_table)
{
    struct failure f;
    struct call c;

    ck_assert_int_eq(CALL(&c, GET, "\x93\x07\xa1s\xc0", &f), ERR_OK);
    ck_assert_uint_eq(c.t, 7);
    ck_assert(slice_equal(c.params[PARAM_ID_SOURCE].text, slice_text("s")));
    ck_assert(slice_equal(c.params[PARAM_ID_KEY].raw, slice_make("\xc0", 1))); /* nil is a key */
    ck_assert_int_eq(CALL(&c, PUT, "\x94\xc0\xa1s\x01\xc0", &f), ERR_OK);
    ck_assert_uint_eq(c.t, 0);
    ck_assert(slice_is_none(c.params[PARAM_ID_KEY].raw)); /* nil is a key left out */
    ck_assert_int_eq(CALL(&c, PUT, "\x92\x07\xa1s", &f), ERR_BAD_REQUEST);
    ck_assert_uint_eq(c.t, 7); /* known, so that the error can doom its transaction */
    ck_assert_ptr_nonnull(strstr(f.text, "missing parameter \"value\""));
    ck_assert_int_eq(CALL(&c, GET, "\x95\x07\xa1s\x01\x80\x01", &f), ERR_BAD_REQUEST);
    ck_assert_uint_eq(c.t, 7);
    ck_assert_int_eq(CALL(&c, GET, "\x93\x01\x92\xa1s\xa1i\x01", &f), ERR_OK);
    ck_assert(c.params[PARAM_ID_SOURCE].indexed);
    ck_assert_int_eq(CALL(&c, GET, "\x93\x01\x91\xa1s\x01", &f), ERR_BAD_REQUEST);
    ck_assert_int_eq(CALL(&c, BEGIN, "\x91\x00", &f), ERR_BAD_REQUEST);
    ck_assert_int_eq(CALL(&c, BEGIN, "\x91\xcf\x00\x00\x00\x01\x00\x00\x00\x00", &f),
                     ERR_BAD_REQUEST);
}
END_TEST

START_TEST(a_handle_is_found_in_parameters_that_cannot_be_read)
{
    static const struct {
        const char *params;
        size_t size;
        uint32_t t;
    } cases[] = {
#define P(bytes, t) {bytes, sizeof bytes - 1, t}
        P("\x91\x07", 7),
        P("\x93\x07\xc0\xc0", 7),
        P("\x90", 0),
        P("\x91\xa1x", 0),
        P("\x91\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 0),
        P("\x81\xa1t\x07", 7),
        P("\x83\x01\x02\xa1s\x91\x05\xa1t\x07", 7),
        P("\x81\xa1s\x07", 0),
        P("\x80", 0),
        P("\x07", 7),
        P("\xc0", 0),
        P("\xa1t", 0),
#undef P
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_uint_eq(call_handle_named(slice_make(cases[i].params, cases[i].size)),
                          cases[i].t);
    ck_assert_uint_eq(call_handle_named(SLICE_NONE), 0);
}
END_TEST

START_TEST(options_are_read_by_the_table)
{
    static const char *const words[] = {"sync", "interval"};
    struct failure f;
    struct call c;
    unsigned word;

    ck_assert_int_eq(CALL(&c, BEGIN,
                          "\x92\x01\x82\xaa"
                          "durability\xa8interval\xaa"
                          "timeout_ms\xcd\x01\x00",
                          &f),
                     ERR_OK);
    ck_assert(call_has(&c, OPTION_ID_DURABILITY));
    ck_assert_uint_eq(call_number(&c, OPTION_ID_TIMEOUT_MS, 7), 256);
    ck_assert_uint_eq(call_number(&c, OPTION_ID_IDLE_MS, 7), 7);
    ck_assert_int_eq(call_word(&c, OPTION_ID_DURABILITY, words, 2, &word, &f), ERR_OK);
    ck_assert_uint_eq(word, 1);
    ck_assert_int_eq(call_word(&c, OPTION_ID_DURABILITY, words, 1, &word, &f), ERR_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(f.text, "expected one of \"sync\""));
    ck_assert_int_eq(CALL(&c, BEGIN, "\x92\x01\x81\xa4page\x01", &f), ERR_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(f.text, "unknown option \"page\"; it takes: deadline_ms"));
    ck_assert_int_eq(CALL(&c, BEGIN,
                          "\x92\x01\x81\xa5"
                          "label\x01",
                          &f),
                     ERR_BAD_REQUEST);
    ck_assert_int_eq(CALL(&c, BEGIN,
                          "\x92\x01\x81\xa5"
                          "label\xc0",
                          &f),
                     ERR_OK);
    ck_assert(!call_has(&c, OPTION_ID_LABEL));
    ck_assert_int_eq(CALL(&c, CANCEL, "\x92\x05\x81\xa4keep\xc3", &f), ERR_OK);
    ck_assert(call_has(&c, OPTION_ID_KEEP) && c.options[OPTION_ID_KEEP].number == 1);
    ck_assert_int_eq(CALL(&c, CANCEL, "\x92\x05\x81\xa4keep\xc2", &f), ERR_OK);
    ck_assert(call_has(&c, OPTION_ID_KEEP) && c.options[OPTION_ID_KEEP].number == 0);
    ck_assert_int_eq(CALL(&c, CANCEL, "\x91\x05", &f), ERR_OK);
    ck_assert(!call_has(&c, OPTION_ID_KEEP));
    ck_assert_int_eq(CALL(&c, CANCEL, "\x92\x05\x81\xa4keep\x01", &f), ERR_BAD_REQUEST);
    ck_assert_int_eq(CALL(&c, CANCEL, "\x92\xc0\x81\xa4keep\xc3", &f), ERR_BAD_REQUEST);
    ck_assert_int_eq(CALL(&c, PING,
                          "\x91\x82\xab"
                          "deadline_ms\x01\xab"
                          "deadline_ms\x02",
                          &f),
                     ERR_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(f.text, "twice"));
}
END_TEST

START_TEST(every_method_is_found_by_its_name_and_has_its_parameters)
{
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        const struct method *m = &method_table[i];

        ck_assert_ptr_nonnull(m->name);
        ck_assert_ptr_eq(method_find(slice_text(m->name)), m);
        if (m->flags & METHOD_TAKES_T)
            ck_assert_int_eq(m->params[0].type, PARAM_HANDLE);
        if (m->flags & METHOD_IN_RUN)
            ck_assert(m->flags & METHOD_TAKES_T);
        for (unsigned p = 1; p < METHOD_PARAMS_MAX && m->params[p].type; p++)
            ck_assert(m->params[p].optional || !m->params[p - 1].optional ||
                      m->params[p - 1].type == PARAM_HANDLE);
    }
    ck_assert_ptr_null(method_find(slice_text("")));
    ck_assert_ptr_null(method_find(slice_text("getx")));
    ck_assert_ptr_null(method_find(slice_text("ge")));
}
END_TEST

/* ---- clocks ---- */

static struct latency latency;

static void check_latency(enum latency_class class, bool recent, uint64_t count, uint64_t p50,
                          uint64_t p99, uint64_t max)
{
    struct latency_summary s;

    latency_summary(&latency, class, recent, &s);
    ck_assert_uint_eq(s.count, count);
    ck_assert_uint_eq(s.max_us, max);
    /* as sorting them would tell, or greater by an eighth at the most */
    ck_assert_msg(s.p50_us >= p50 && s.p50_us <= p50 + p50 / 8, "%lu", (unsigned long)s.p50_us);
    ck_assert_msg(s.p99_us >= p99 && s.p99_us <= p99 + p99 / 8, "%lu", (unsigned long)s.p99_us);
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Times of all sizes, beside their sorted list. */
START_TEST(percentiles_of_latencies_are_those_of_a_sorted_list)
{
    uint64_t times[500], max;
    unsigned count;

    srand((unsigned)_i);
    count = 1 + (unsigned)rand() % 500;
    memset(&latency, 0, sizeof latency);
    for (unsigned i = 0; i < count; i++) {
        times[i] = (uint64_t)rand() >> (rand() % 31);
        latency_add(&latency, LATENCY_WRITE, times[i], 1);
    }
    qsort(times, count, sizeof *times, compare_times);
    max = times[count - 1];
    check_latency(LATENCY_WRITE, true, count, times[(count * 50 + 99) / 100 - 1],
                  times[(count * 99 + 99) / 100 - 1], max);
    check_latency(LATENCY_CLASSES, false, count, times[(count * 50 + 99) / 100 - 1],
                  times[(count * 99 + 99) / 100 - 1], max);
    check_latency(LATENCY_READ, false, 0, 0, 0, 0);
}
END_TEST

START_TEST(latencies_are_those_of_turns_and_age)
{
    const struct method *get = method_find(slice_text("get")),
                        *commit = method_find(slice_text("commit"));

    memset(&latency, 0, sizeof latency);
    latency_turn(&latency, 1000000);
    latency_note(&latency, get, 1000000);
    latency_note(&latency, get, 1000000);
    latency_note(&latency, NULL, 1000000);
    latency_end_turn(&latency, 1007000); /* 7 us */
    latency_turn(&latency, 2000000);
    latency_note(&latency, commit, 1000000); /* it came in the turn before */
    latency_end_turn(&latency, 2500000);
    check_latency(LATENCY_READ, false, 2, 7, 7, 7);
    check_latency(LATENCY_COMMIT, true, 1, 1000, 1000, 1000);
    check_latency(LATENCY_CLASSES, false, 4, 7, 1000, 1000);
    latency_age(&latency, LATENCY_SLOT_MS); /* the next slot: all of it is recent */
    latency_add(&latency, LATENCY_READ, 90, 1);
    check_latency(LATENCY_CLASSES, true, 5, 7, 1000, 1000);
    latency_age(&latency, LATENCY_RECENT_MS);
    check_latency(LATENCY_CLASSES, true, 1, 90, 90, 90);
    check_latency(LATENCY_CLASSES, false, 5, 7, 1000, 1000);
    latency_age(&latency, 100 * LATENCY_SLOT_MS + 1); /* nothing happened for long */
    check_latency(LATENCY_CLASSES, true, 0, 0, 0, 0);
    check_latency(LATENCY_READ, false, 3, 7, 90, 90);
    ck_assert_uint_eq(latency.slot_ms, 100 * LATENCY_SLOT_MS);
    latency_add(&latency, LATENCY_QUERY, UINT64_MAX / 2, 1); /* counted in the last bucket */
    check_latency(LATENCY_QUERY, true, 1, (UINT64_C(1) << 33) - 1, (UINT64_C(1) << 33) - 1,
                  UINT64_MAX / 2);
}
END_TEST

/* ---- buffers and lines ---- */

START_TEST(the_longest_turn_is_known_for_ever_and_for_a_minute)
{
    struct turn_clock c;

    turn_clock_start(&c, 1000);
    turn_clock_note(&c, 1000, 700);
    turn_clock_note(&c, 2000, 90);
    ck_assert_uint_eq(turn_clock_recent_us(&c), 700);
    turn_clock_note(&c, 61000, 50); /* the next minute */
    ck_assert_uint_eq(turn_clock_recent_us(&c), 700);
    turn_clock_note(&c, 121000, 60);
    ck_assert_uint_eq(turn_clock_recent_us(&c), 60);
    turn_clock_note(&c, 400000, 10); /* nothing happened for long */
    ck_assert_uint_eq(turn_clock_recent_us(&c), 10);
    ck_assert_uint_eq(c.max_us, 700);
    ck_assert_uint_eq(c.turns, 5);
    turn_clock_end_turn(&c, 400001);
    ck_assert_uint_eq(c.turns, 6);
}
END_TEST

START_TEST(administrators_have_seats_that_clients_cannot_take)
{
    struct seats s = {.clients_max = 0};

    seats_bound(&s, 1000, 8, 100); /* few descriptors: a quarter of them at most is reserved */
    ck_assert_uint_eq(s.clients_max, 92);
    seats_bound(&s, 1000, 80, 100);
    ck_assert_uint_eq(s.reserved_max, 25);
    ck_assert_uint_eq(s.clients_max, 75);
    seats_bound(&s, 2, 1, 1000);
    ck_assert_int_eq(seats_take(&s, true, false), SEAT_CLIENT);
    ck_assert_int_eq(seats_take(&s, false, false), SEAT_CLIENT);
    ck_assert_int_eq(seats_take(&s, false, false), SEAT_STANDING);
    ck_assert_int_eq(seats_take(&s, false, false), SEAT_NONE);
    ck_assert_int_eq(seats_take(&s, true, false), SEAT_RESERVED);
    ck_assert_int_eq(seats_take(&s, true, false), SEAT_NONE);
    ck_assert_uint_eq(seats_served(&s), 3);
    seats_leave(&s, SEAT_CLIENT);
    seats_leave(&s, SEAT_STANDING);
    ck_assert_int_eq(seats_take(&s, false, true), SEAT_STANDING); /* though there is a seat */
    seats_leave(&s, SEAT_STANDING);
    seats_leave(&s, SEAT_RESERVED);
    ck_assert_int_eq(seats_take(&s, true, true), SEAT_RESERVED);
    ck_assert_int_eq(seats_take(&s, false, false), SEAT_CLIENT);
    ck_assert_int_eq(seats_take(&s, false, false), SEAT_STANDING);
}
END_TEST

static struct peer_key key_of(const char *text)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};

    if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
        return peer_key_of_address((struct sockaddr *)&six);
    ck_assert_int_eq(inet_pton(AF_INET, text, &four.sin_addr), 1);
    return peer_key_of_address((struct sockaddr *)&four);
}

START_TEST(connections_are_counted_by_host_and_by_user)
{
    static const char *const same[][2] = {{"10.0.0.1", "10.0.0.1"},
                                          {"10.0.0.1", "::ffff:10.0.0.1"},
                                          {"2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6"}};
    static const char *const other[][2] = {
        {"10.0.0.1", "10.0.0.2"}, {"2001:db8:1:2::1", "2001:db8:1:3::1"}, {"0.0.0.0", "::1"}};
    struct sim *sim = sim_new(1);
    struct peer *many[1000], *one;
    struct peers p;

    ck_assert_int_eq(peers_init(&p, sim_table(sim)), ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        struct peer *a = peers_enter(&p, key_of(same[i][0]));
        struct peer *b = peers_enter(&p, key_of(same[i][1]));

        ck_assert(a == b && a->connections == 2);
        peers_leave(&p, a);
        peers_leave(&p, b);
        a = peers_enter(&p, key_of(other[i][0]));
        b = peers_enter(&p, key_of(other[i][1]));
        ck_assert(a != b);
        peers_leave(&p, a);
        peers_leave(&p, b);
    }
    for (uint32_t i = 0; i < 1000; i++)
        many[i] = peers_enter(&p, peer_key_of_user(i));
    one = peers_enter(&p, peer_key_of_user(7));
    ck_assert(one == many[7] && one->connections == 2);
    peers_leave(&p, one);
    ck_assert_uint_lt(p.table.steps, 10000); /* however many there are */
    for (uint32_t i = 0; i < 1000; i++)
        peers_leave(&p, many[i]);
    peers_fini(&p);
    ck_assert_uint_eq(sim_alloc_outstanding(sim), 0);
    sim_free(sim);
}
END_TEST

/* In whole numbers, without a sum that could overflow; and everybody may have one. */
START_TEST(a_share_is_a_part_of_what_all_may_have)
{
    static const uint64_t cases[][3] = {
        {100, 75, 75},
        {65280, 75, 48960},
        {60, 75, 45},
        {3, 75, 2},
        {1, 75, 1},
        {1000, 1, 10},
        {99, 1, 1},
        {7, 100, 7},
        {0, 50, 1},
        {199, 50, 99},
        {UINT64_MAX, 100, UINT64_MAX},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_uint_eq(usage_share(cases[i][0], cases[i][1]), cases[i][2]);
}
END_TEST

START_TEST(what_is_kept_for_a_client_is_counted_to_it_and_to_all)
{
    struct account_limits limits = {.one = 1 << 20, .all = 2 << 20};
    struct account all, one, other;

    account_init(&all, NULL);
    account_init(&one, &all);
    account_init(&other, &all);
    account_add(&one, ACCOUNT_INPUT, 1000);
    account_add(&other, ACCOUNT_HANDLES, 50);
    ck_assert_uint_eq(all.bytes, 1050);
    ck_assert_uint_eq(one.bytes, 1000);
    ck_assert(account_has_room(&one, &limits, (1 << 20) - 1000));
    ck_assert(!account_has_room(&one, &limits, (1 << 20) - 999));
    account_add(&other, ACCOUNT_REPLIES, 3 << 20); /* all is taken: only little is given */
    ck_assert(account_has_room(&one, &limits, ACCOUNT_FLOOR - 1000));
    ck_assert(!account_has_room(&one, &limits, ACCOUNT_FLOOR - 999));
    ck_assert(account_is_full(&other, &limits));
    ck_assert(!account_is_full(&one, &limits));
    account_add(&one, ACCOUNT_REQUESTS, ACCOUNT_FLOOR + 1);
    ck_assert(account_is_full(&one, &limits));
    account_sub(&other, ACCOUNT_REPLIES, 3 << 20);
    ck_assert(!account_is_full(&one, &limits));
    account_add(&one, ACCOUNT_REPLIES, 1 << 19); /* more than half of its share */
    ck_assert(account_is_full(&one, &limits));
    account_sub(&one, ACCOUNT_REPLIES, 1 << 19);
    account_sub(&one, ACCOUNT_REQUESTS, ACCOUNT_FLOOR + 1);
    account_sub(&one, ACCOUNT_INPUT, 1000);
    account_sub(&other, ACCOUNT_HANDLES, 50);
    account_fini(&one);
    account_fini(&other);
    account_fini(&all);
}
END_TEST

START_TEST(buffers_count_their_memory_and_give_it_back)
{
    struct account all, one;
    struct net_buffer a = NET_BUFFER_EMPTY, b = NET_BUFFER_EMPTY;
    size_t place;

    account_init(&all, NULL);
    account_init(&one, &all);
    net_buffer_charge(&a, &one, ACCOUNT_REPLIES);
    net_buffer_charge(&b, &one, ACCOUNT_OUTPUT);

    for (int i = 0; i < 10000; i++)
        put_uint(&a, (uint64_t)i);
    ck_assert_uint_eq(one.of[ACCOUNT_REPLIES], a.room);
    net_buffer_swap(&a, &b);
    ck_assert_uint_eq(a.used, 0);
    ck_assert_uint_eq(one.of[ACCOUNT_OUTPUT], b.room);
    ck_assert_uint_eq(one.of[ACCOUNT_REPLIES], 0);
    net_buffer_charge(&b, NULL, ACCOUNT_OUTPUT);
    ck_assert_uint_eq(all.bytes, 0);
    net_buffer_charge(&b, &one, ACCOUNT_OUTPUT);
    ck_assert_uint_eq(all.bytes, b.room);
    net_buffer_clear(&b, 1 << 20);
    ck_assert_uint_gt(b.room, 0);
    net_buffer_clear(&b, 16);
    ck_assert_uint_eq(one.bytes, 0);
    place = put_array_later(&a);
    put_nil(&a);
    put_bool(&a, true);
    put_array_now(&a, place, 2);
    ck_assert(slice_equal(slice_make(a.data, a.used), slice_make("\xdd\0\0\0\x02\xc0\xc3", 7)));
    put_array_now(&a, place, 70000); /* as many as a client asks for */
    ck_assert(slice_equal(slice_make(a.data, 5), slice_make("\xdd\x00\x01\x11\x70", 5)));
    ck_assert_ptr_null(net_buffer_reserve(&a, SIZE_MAX / 2));
    ck_assert(a.failed);
    net_buffer_fini(&a);
    /* Large ones grow by less than a factor, and are trimmed to what is in them. */
    ck_assert_ptr_nonnull(net_buffer_reserve(&a, (5 << 20) + 1));
    ck_assert_uint_eq(a.room, 6 << 20);
    a.used = 10;
    net_buffer_trim(&a, 4096);
    ck_assert_uint_eq(one.bytes, 4096);
    net_buffer_fini(&a);
    account_fini(&one);
    account_fini(&all);
}
END_TEST

START_TEST(no_text_ends_a_log_line_or_begins_another_fact)
{
    struct log_output log;
    char text[512] = "";
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    log_output_init(&log, ends[1], LOG_LEVEL_INFO);
    LOG_TELL(&log, login_failed,
             .user = slice_make("x\ny=\"1\"\\\x1b\0\xc2\x9b\xe2\x80\xae", 15),
             .client = slice_text("plain"), .failures = 7);
    LOG_TELL(&log, connection_opened, .client = slice_text("hidden"));
    ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
    ck_assert_ptr_nonnull(
        strstr(text, "Z warn login_failed user=\"x\\x0ay=\\\"1\\\"\\\\\\x1b\\x00\\u{9b}\\u{202e}\" "
                     "client=plain failures=7\n"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    memset(text, 0, sizeof text);
    LOG_TELL(&log, config_error, .error = "");
    ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
    ck_assert_ptr_nonnull(strstr(text, "Z error config_error error=\"\"\n"));
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* Optional facts are there or left out, and no fact is longer than there is room. */
START_TEST(facts_are_written_as_the_table_says)
{
    char text[64];
    size_t size;

    for (unsigned event = 0; event < EVENT_COUNT; event++) {
        ck_assert_uint_gt(strlen(event_name((enum event)event)), 0);
        ck_assert_uint_le(event_level((enum event)event), LOG_LEVEL_ERROR);
    }
    size = event_write(EVENT_quota_set,
                       EVENT_FACTS(quota_set, .database = slice_text("a b"),
                                   .bytes = EVENT_LEFT_OUT, .stores = 0,
                                   .transactions = EVENT_LEFT_OUT),
                       text, sizeof text);
    ck_assert_uint_eq(size, strlen(" database=\"a b\" stores=0"));
    ck_assert_mem_eq(text, " database=\"a b\" stores=0", size);
    size = event_write(EVENT_wal_failed, EVENT_FACTS(wal_failed, .why = "x"), text, 5);
    ck_assert_uint_eq(size, 5);
    ck_assert_mem_eq(text, " why=", 5);
    size = event_write(EVENT_ready, EVENT_FACTS(ready, .where = "tcp=a unix=b", .pid = 7), text,
                       sizeof text);
    ck_assert_mem_eq(text, " tcp=a unix=b pid=7", size);
    ck_assert_uint_eq(event_write(EVENT_config_not_reloaded, EVENT_FACTS(config_not_reloaded),
                                  text, sizeof text),
                      0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(all, a_number_map_is_as_its_model);
    tcase_add_test(all, messages_are_requests_notifications_or_broken);
    tcase_add_test(all, the_msgid_of_a_message_that_does_not_end_is_found_where_it_can_be);
    tcase_add_test(all, no_beginning_and_no_change_of_a_message_is_read_beyond_its_end);
    tcase_add_test(all, parameters_are_read_by_the_table);
    tcase_add_test(all, options_are_read_by_the_table);
    tcase_add_test(all, a_handle_is_found_in_parameters_that_cannot_be_read);
    tcase_add_test(all, every_method_is_found_by_its_name_and_has_its_parameters);
    tcase_add_loop_test(all, percentiles_of_latencies_are_those_of_a_sorted_list, 0, 50);
    tcase_add_test(all, latencies_are_those_of_turns_and_age);
    tcase_add_test(all, the_longest_turn_is_known_for_ever_and_for_a_minute);
    tcase_add_test(all, administrators_have_seats_that_clients_cannot_take);
    tcase_add_test(all, connections_are_counted_by_host_and_by_user);
    tcase_add_test(all, a_share_is_a_part_of_what_all_may_have);
    tcase_add_test(all, what_is_kept_for_a_client_is_counted_to_it_and_to_all);
    tcase_add_test(all, the_head_of_a_message_names_who_is_to_be_refused);
    tcase_add_test(all, a_head_that_is_cut_says_whether_more_would_tell_more);
    tcase_add_test(all, buffers_count_their_memory_and_give_it_back);
    tcase_add_test(all, no_text_ends_a_log_line_or_begins_another_fact);
    tcase_add_test(all, facts_are_written_as_the_table_says);
    tcase_set_timeout(all, 60);
    suite_add_tcase(suite, all);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
