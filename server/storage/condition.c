#include "server/storage/condition.h"

#include "server/base/assert.h"
#include "server/storage/path.h"
#include "server/storage/value_order.h"

#include <assert.h>
#include <stdio.h>

enum test { TEST_EQ, TEST_NE, TEST_GT, TEST_GTE, TEST_LT, TEST_LTE, TEST_EXISTS, TEST_COUNT };

static const char *const test_names[TEST_COUNT] = {"$eq", "$ne",  "$gt",    "$gte",
                                                   "$lt", "$lte", "$exists"};

/* The names on the way to what is being looked at, for messages. */
struct trail {
    struct failure *f;
    unsigned depth;
    struct path_step steps[CONDITION_DEPTH_MAX];
};

static bool begins_with_dollar(struct slice name)
{
    return !slice_is_none(name) && name.size && name.data[0] == '$';
}

static bool is_named(const struct path_step *step, const char *name)
{
    ASSERT(name[0] == '$');
    return !slice_is_none(step->name) && slice_equal(step->name, slice_text(name));
}

/* TEST_COUNT: there is none of that name. */
static enum test test_find(const struct path_step *step)
{
    unsigned i = 0;

    while (i < TEST_COUNT && !is_named(step, test_names[i]))
        i++;
    ASSERT(i <= TEST_COUNT);
    return (enum test)i;
}

/* ---- checking ---- */

static enum err refuse(const struct trail *t, const char *text)
{
    char where[FAILURE_TEXT_BYTES / 2];
    size_t used = 0;

    ASSERT(t->depth <= CONDITION_DEPTH_MAX);
    where[0] = '\0';
    for (unsigned i = 0; i < t->depth && used < sizeof where; i++) {
        const struct path_step *step = &t->steps[i];

        if (slice_is_none(step->name))
            used += (size_t)snprintf(where + used, sizeof where - used, "%s%u", i ? ", " : "",
                                     step->place);
        else
            used += (size_t)snprintf(where + used, sizeof where - used, "%s\"%s\"",
                                     i ? ", " : "", text_show(step->name));
    }
    if (!t->depth)
        return failure_set(t->f, ERR_BAD_REQUEST, "where: %s", text);
    return failure_set(t->f, ERR_BAD_REQUEST, "where, at %s: %s", where, text);
}

static bool is_map(struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    enum msgpack_type type;

    return !msgpack_peek(&c, &type) && type == MSGPACK_MAP;
}

/* Whether the map holds tests, {"$gte": 18}, and not fields. */
static bool is_tests(struct slice map)
{
    struct msgpack_cursor c = msgpack_open(map);
    struct slice name;
    uint32_t pairs;

    return !msgpack_read_map(&c, &pairs) && pairs && !msgpack_read_text(&c, &name) &&
           begins_with_dollar(name) && !slice_equal(name, slice_text("$and")) &&
           !slice_equal(name, slice_text("$or"));
}

static enum err fields_check(struct trail *t, struct slice map);

static enum err test_check(struct trail *t, enum test test, struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    bool there;

    ASSERT(test <= TEST_COUNT);
    if (test == TEST_COUNT)
        return refuse(t,
                      "unknown operator; expected $eq, $ne, $gt, $gte, $lt, $lte or $exists");
    if (test == TEST_EXISTS)
        return msgpack_read_bool(&c, &there) ? refuse(t, "expected true or false") : ERR_OK;
    return value_is_key(value, VALUE_TYPES_ALL)
               ? ERR_OK
               : refuse(t, "this value cannot be compared; expected one that can be a key");
}

static enum err list_check(struct trail *t, struct slice list)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct slice one;
    uint32_t count;
    enum err e = ERR_OK;

    ASSERT(t->depth <= CONDITION_DEPTH_MAX);
    if (msgpack_read_array(&c, &count) || !count)
        return refuse(t, "expected a list of at least one condition");
    for (uint32_t i = 0; i < count && !e; i++) {
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &one);
        if (t->depth == CONDITION_DEPTH_MAX)
            return refuse(t, "the condition is nested too deeply");
        t->steps[t->depth++] = (struct path_step){SLICE_NONE, i};
        ASSERT(t->depth <= CONDITION_DEPTH_MAX);
        e = fields_check(t, one);
        t->depth--;
    }
    return e;
}

/* What stands behind a field's name or place. */
static enum err field_check(struct trail *t, struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    struct msgpack_token head;

    if (!is_map(value))
        return test_check(t, TEST_EQ, value);
    msgpack_read(&c, &head);
    return head.count ? fields_check(t, value)
                      : refuse(t, "expected a value, operators such as {\"$gte\": 18}, or "
                                  "fields");
}

static enum err fields_check(struct trail *t, struct slice map)
{
    struct msgpack_cursor c = msgpack_open(map);
    bool tests = is_tests(map);
    uint32_t pairs;
    enum err e = ERR_OK;

    ASSERT(t->depth <= CONDITION_DEPTH_MAX);
    if (msgpack_read_map(&c, &pairs))
        return refuse(t, "expected a map");
    for (uint32_t i = 0; i < pairs && !e; i++) {
        struct path_step *step = &t->steps[t->depth];
        struct slice value;
        const char *why;

        if (t->depth == CONDITION_DEPTH_MAX)
            return refuse(t, "the condition is nested too deeply");
        if (path_step_read(&c, step, &why))
            return refuse(t, why);
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value);
        t->depth++;
        if (is_named(step, "$and") || is_named(step, "$or"))
            e = list_check(t, value);
        else if (tests || begins_with_dollar(step->name))
            e = tests ? test_check(t, test_find(step), value)
                      : refuse(t, "operators and fields cannot be mixed in one map");
        else
            e = field_check(t, value);
        t->depth--;
    }
    return e;
}

enum err condition_check(struct slice condition, struct failure *f)
{
    struct trail t = {.f = f};

    ASSERT(f);
    if (condition.size > CONDITION_BYTES_MAX)
        return failure_set(f, ERR_TOO_LARGE, "where: %zu bytes, the limit is %d",
                           condition.size, CONDITION_BYTES_MAX);
    return fields_check(&t, condition);
}

/* ---- asking ---- */

static bool fields_hold(struct slice map, struct slice value);

static bool test_holds(enum test test, struct slice wanted, struct slice value)
{
    struct msgpack_cursor c = msgpack_open(wanted);
    bool there = true;
    int order;

    ASSERT(test < TEST_COUNT); /* it was checked */
    if (test == TEST_EXISTS) {
        msgpack_read_bool(&c, &there);
        return there == !slice_is_none(value);
    }
    if (slice_is_none(value) || !value_is_key(value, VALUE_TYPES_ALL))
        return false;
    order = value_compare(value, wanted);
    switch (test) {
    case TEST_EQ: return order == 0;
    case TEST_NE: return order != 0;
    case TEST_GT: return order > 0;
    case TEST_GTE: return order >= 0;
    case TEST_LT: return order < 0;
    default: return order <= 0;
    }
}

static bool list_holds(struct slice list, struct slice value, bool all)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct slice one;
    uint32_t count = 0;

    msgpack_read_array(&c, &count);
    ASSERT(count > 0); /* it was checked */
    while (count-- > 0) {
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &one);
        if (fields_hold(one, value) != all)
            return !all;
    }
    return all;
}

/* value none: a field that is absent has no fields. The depth was checked. */
static bool fields_hold(struct slice map, struct slice value)
{
    struct msgpack_cursor c = msgpack_open(map);
    bool tests = is_tests(map), holds = true;
    uint32_t pairs = 0;

    msgpack_read_map(&c, &pairs);
    for (uint32_t i = 0; i < pairs && holds; i++) {
        struct path_step step;
        struct value_path path = {&step, 1};
        struct slice wanted, found;
        const char *why;
        enum err e = path_step_read(&c, &step, &why);

        ASSERT(!e); /* it was checked */
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &wanted);
        if (tests && !is_named(&step, "$and") && !is_named(&step, "$or")) {
            holds = test_holds(test_find(&step), wanted, value);
        } else if (begins_with_dollar(step.name)) {
            holds = list_holds(wanted, value, is_named(&step, "$and"));
        } else {
            found = slice_is_none(value) ? SLICE_NONE : path_find(&path, value);
            holds = is_map(wanted) ? fields_hold(wanted, found)
                                   : test_holds(TEST_EQ, wanted, found);
        }
    }
    return holds;
}

bool condition_holds(struct slice condition, struct slice document)
{
    return fields_hold(condition, document);
}

/* ---- what it asks for ---- */

struct asking {
    bool (*is_met)(void *context, const struct value_path *path);
    void *context;
    struct path_step steps[CONDITION_DEPTH_MAX];
};

static bool fields_ask(struct asking *a, unsigned depth, struct slice map);

static bool list_asks(struct asking *a, unsigned depth, struct slice list)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct slice one;
    uint32_t count = 0;

    msgpack_read_array(&c, &count);
    for (uint32_t i = 0; i < count; i++) {
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &one);
        if (fields_ask(a, depth, one))
            return true;
    }
    return false;
}

static bool fields_ask(struct asking *a, unsigned depth, struct slice map)
{
    struct msgpack_cursor c = msgpack_open(map);
    struct value_path path = {a->steps, depth};
    uint32_t pairs = 0;

    if (!is_map(map)) /* a value that the field is to be equal to */
        return a->is_met(a->context, &path);
    if (is_tests(map) && a->is_met(a->context, &path))
        return true;
    msgpack_read_map(&c, &pairs);
    for (uint32_t i = 0; i < pairs; i++) {
        struct path_step *step = &a->steps[depth];
        struct slice value;
        const char *why;

        ASSERT(depth < CONDITION_DEPTH_MAX); /* it was checked */
        path_step_read(&c, step, &why);
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value);
        if (is_named(step, "$and") || is_named(step, "$or")) {
            if (list_asks(a, depth, value))
                return true;
        } else if (!begins_with_dollar(step->name) && fields_ask(a, depth + 1, value)) {
            return true;
        }
    }
    return false;
}

bool condition_asks(struct slice condition,
                    bool (*is_met)(void *context, const struct value_path *path), void *context)
{
    struct asking a = {.is_met = is_met, .context = context};

    return fields_ask(&a, 0, condition);
}

/* ---- what it follows from ---- */

struct following {
    bool (*is_met)(void *context, const struct value_path *path, enum condition_test test,
                   struct slice wanted);
    void *context;
    struct path_step steps[CONDITION_DEPTH_MAX];
};

static bool fields_follow(struct following *f, unsigned depth, struct slice map);

static bool list_follows(struct following *f, unsigned depth, struct slice list, bool all)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct slice one;
    uint32_t count = 0;

    msgpack_read_array(&c, &count);
    while (count-- > 0) {
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &one);
        if (fields_follow(f, depth, one) != all)
            return !all;
    }
    return all;
}

static bool fields_follow(struct following *f, unsigned depth, struct slice map)
{
    struct msgpack_cursor c = msgpack_open(map);
    struct value_path path = {f->steps, depth};
    bool tests, follows = true;
    uint32_t pairs = 0;

    if (!is_map(map))
        return f->is_met(f->context, &path, CONDITION_EQ, map);
    tests = is_tests(map);
    msgpack_read_map(&c, &pairs);
    for (uint32_t i = 0; i < pairs && follows; i++) {
        struct path_step step;
        struct slice value;
        const char *why;

        path_step_read(&c, &step, &why);
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value);
        if (is_named(&step, "$and") || is_named(&step, "$or")) {
            follows = list_follows(f, depth, value, is_named(&step, "$and"));
        } else if (tests) {
            follows =
                f->is_met(f->context, &path, (enum condition_test)test_find(&step), value);
        } else {
            ASSERT(depth < CONDITION_DEPTH_MAX); /* it was checked */
            f->steps[depth] = step;
            follows = fields_follow(f, depth + 1, value);
        }
    }
    return follows;
}

bool condition_follows(struct slice condition,
                       bool (*is_met)(void *context, const struct value_path *path,
                                      enum condition_test test, struct slice wanted),
                       void *context)
{
    struct following f = {.is_met = is_met, .context = context};

    static_assert((int)CONDITION_EXISTS == (int)TEST_EXISTS, "the same order");
    return fields_follow(&f, 0, condition);
}

bool condition_test_holds(enum condition_test test, struct slice wanted, struct slice value)
{
    return test_holds((enum test)test, wanted, value);
}
