/* session_request.c - see session_request.h. */
#include "tests/fuzz/session_request.h"

#include "proto/methods.h"
#include "server/base/assert.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))
#define DEEP \
    24 /* more than fuzz_session.c lets the server take, less than the model cannot read */
#define LONG 300 /* the same of elements */

/* What clients do most stands here often. */
static const uint8_t often[] = {
    METHOD_BEGIN,         METHOD_BEGIN,        METHOD_BEGIN,  METHOD_BEGIN,
    METHOD_COMMIT,        METHOD_COMMIT,       METHOD_COMMIT, METHOD_COMMIT,
    METHOD_PUT,           METHOD_PUT,          METHOD_PUT,    METHOD_PUT,
    METHOD_PUT,           METHOD_PUT,          METHOD_INSERT, METHOD_GET,
    METHOD_GET,           METHOD_GET,          METHOD_DELETE, METHOD_SCAN,
    METHOD_SCAN,          METHOD_NEXT,         METHOD_NEXT,   METHOD_RUN,
    METHOD_CREATE_STORE,  METHOD_CREATE_STORE, METHOD_HOLDS,  METHOD_ROLLBACK,
    METHOD_COUNT_RECORDS,
};

static const char *const databases[] = {"x", ""};
static const char *const stores[] = {"a", "b", "c", "d\xc3\xa9"};

/* What a text for people may hold, NUL first. */
static const struct {
    const char *bytes;
    size_t size;
} labels[] = {
    {"\0lead", 5},         {"plain", 5},
    {"mid\0dle", 7},       {"\0", 1},
    {"", 0},               {"\xe2\x80\xae turned", 10},
    {"\xc2\x9b" "2J", 4},  {"line\nend", 8},
    {"long, and cut between two characters if it is cut where it must be \xf0\x9f\x8c\xb3", 71},
    {"0123456789012345678901234567890123456789012345678901234567890\xf0\x9f\x8c\xb3", 65},
};

static void put_text(struct dice *d, const char *text, struct buffer *out);

const struct session_user session_users[SESSION_USERS] = {
    {"reader", {{"main", "a", "rw"}, {"main", "c", "rws"}, {"x", "*", "r"}}, true},
    {"blind", {{"main", "a", "w"}, {"main", "b", "w"}, {"main", "d*", "ws"}}, false},
    {"maker", {{"*", "c*", "rs"}, {"main", "a", "rs"}, {"x", "*", "rws"}}, true},
};

void session_put_grants(struct dice *d, const struct session_user *user, uint8_t which,
                        struct buffer *out)
{
    static const char *const names[] = {"read", "write", "schema"};
    unsigned count = 0;

    for (unsigned i = 0; i < SESSION_GRANTS; i++)
        count += which >> i & 1;
    value_put_array_head(d, count, out);
    for (unsigned i = 0; i < SESSION_GRANTS; i++) {
        const char *rights = user->grants[i].rights;

        if (!(which >> i & 1))
            continue;
        value_put_array_head(d, 3, out);
        put_text(d, user->grants[i].database, out);
        put_text(d, user->grants[i].store, out);
        value_put_array_head(d, (uint32_t)strlen(rights), out);
        for (; *rights; rights++)
            put_text(d, names[*rights == 'r' ? 0 : *rights == 'w' ? 1 : 2], out);
    }
}

_Static_assert(SESSION_OFTEN % COUNT_OF(often) == 0, "each as often as it stands there");

static const struct method *choose_method(uint8_t choice)
{
    ASSERT(often[SESSION_BEGIN] == METHOD_BEGIN &&
           often[SESSION_CREATE_STORE] == METHOD_CREATE_STORE);
    if (choice >= SESSION_CANCEL)
        return &method_table[METHOD_CANCEL];
    if (choice < SESSION_OFTEN)
        return &method_table[often[choice % COUNT_OF(often)]];
    /* With the first user everybody would have to log in: that is another input's business. */
    if (choice % METHOD_COUNT == METHOD_CREATE_USER)
        return &method_table[METHOD_USERS];
    if (choice % METHOD_COUNT == METHOD_DROP_USER)
        return &method_table[METHOD_ALTER_USER];
    return &method_table[choice % METHOD_COUNT];
}

static uint32_t handle_of(const struct request_choice *c, const struct method *m)
{
    return c->t && c->open_t && m != &method_table[METHOD_BEGIN] ? c->open_t : c->t;
}

static void put_text(struct dice *d, const char *text, struct buffer *out)
{
    value_put_text(d, slice_text(text), out);
}

static void put_store(struct dice *d, const struct request_choice *c, uint8_t choice,
                      struct buffer *out)
{
    if (c->hidden & HIDDEN_STORE)
        put_text(d, choice & 1 ? HIDDEN_STORE_WORD "2" : HIDDEN_STORE_WORD, out);
    else if (c->hidden & NEAR_STORE)
        put_text(d, NEAR_STORE_WORD, out);
    else if (choice >= 250)
        value_make(d, 1, out);
    else
        put_text(d, stores[choice % COUNT_OF(stores)], out);
}

static void put_key(struct dice *d, const struct request_choice *c, uint8_t choice,
                    struct buffer *out)
{
    if (c->hidden & HIDDEN_KEY && choice % 4 == 0)
        put_text(d, HIDDEN_KEY_WORD, out);
    else if (choice >= 240)
        value_make_key(d, 2, out);
    else
        value_put_uint(d, choice % MODEL_KEYS, out);
}

static void put_record(struct dice *d, const struct request_choice *c, struct buffer *out)
{
    if (c->extra >= 245) {
        value_make(d, 3, out);
        return;
    }
    value_put_map_head(d, 3, out);
    put_text(d, "id", out);
    put_key(d, c, c->key, out);
    put_text(d, "n", out);
    value_put_uint(d, c->n, out);
    put_text(d, "pad", out);
    if (c->hidden & HIDDEN_STORE) {
        put_text(d, HIDDEN_VALUE_WORD, out);
        return;
    }
    value_put_text(
        d,
        slice_make("................................................................"
                   "................................................................",
                   c->extra % 128),
        out);
}

static void put_deep(struct buffer *out)
{
    for (int i = 0; i < DEEP; i++)
        buffer_put_byte(out, 0x91);
    buffer_put_byte(out, 1);
}

static void put_range(struct dice *d, const struct request_choice *c, struct buffer *out)
{
    static const char *const names[] = {"gt", "gte", "lt", "lte", "eq", "starts", "prefix"};

    if (c->extra % 4 == 0) {
        value_put_map_head(d, 0, out);
        return;
    }
    value_put_map_head(d, 1, out);
    put_text(d, names[c->extra % 7], out);
    put_key(d, c, c->key, out);
}

static void put_param(struct dice *d, const struct request_choice *c, const struct method *m,
                      unsigned at, struct buffer *out);

/* The list of `run`: a few requests without t. */
static void put_operations(struct dice *d, const struct request_choice *c, struct buffer *out)
{
    static const enum method_id methods[] = {METHOD_PUT,    METHOD_GET,           METHOD_DELETE,
                                             METHOD_INSERT, METHOD_COUNT_RECORDS, METHOD_HAS};
    uint32_t count = c->extra % 4;

    value_put_array_head(d, count, out);
    for (uint32_t i = 0; i < count; i++) {
        const struct method *m = &method_table[methods[(c->extra / 4 + i) % COUNT_OF(methods)]];
        struct request_choice inner = *c;
        unsigned params = 0;

        inner.key = (uint8_t)((c->key + i) % 16);
        while (m->params[params].type)
            params++;
        value_put_array_head(d, 2, out);
        value_put_text(d, slice_make(m->name, m->name_size), out);
        value_put_array_head(d, params - 1, out);
        for (unsigned p = 1; p < params; p++)
            put_param(d, &inner, m, p, out);
    }
}

static void put_list(struct dice *d, const struct request_choice *c, const struct method *m,
                     struct buffer *out)
{
    uint32_t count = c->extra % 5;

    if (m == &method_table[METHOD_RUN]) {
        put_operations(d, c, out);
        return;
    }
    value_put_array_head(d, count, out);
    for (uint32_t i = 0; i < count; i++)
        put_key(d, c, (uint8_t)(c->key + i), out);
}

static void put_any(struct dice *d, const struct request_choice *c, const struct method *m,
                    unsigned at, struct buffer *out)
{
    if (m == &method_table[METHOD_KILL]) {
        value_put_uint(d, c->version, out);
    } else if (slice_equal(slice_text(m->params[at].name), slice_text("value"))) {
        put_record(d, c, out);
    } else if (m->params[at].optional && c->options & 1 && c->store % 4 == 1) {
        buffer_put_byte(out, 0xc0); /* "b" may have keys in its records */
    } else {
        put_key(d, c, c->key, out);
    }
}

/* Rarely so small that nothing goes on. */
static void put_quota(struct dice *d, const struct request_choice *c, struct buffer *out)
{
    static const char *const names[] = {"bytes", "stores", "transactions"};
    unsigned which = c->extra % COUNT_OF(names);
    uint64_t n = c->n % 4 + c->extra / 64;

    value_put_map_head(d, 1, out);
    put_text(d, names[which], out);
    if (c->extra % 8 == 0)
        buffer_put_byte(out, 0xc0);
    else
        value_put_uint(d, which ? n : n * 300, out);
}

/* The user's rights, or fewer: what is hidden from it stays so. */
static void put_settings(struct dice *d, const struct request_choice *c, struct buffer *out)
{
    const struct session_user *user = &session_users[c->key % SESSION_USERS];

    value_put_map_head(d, 1, out);
    put_text(d, "grants", out);
    session_put_grants(d, user, c->extra, out);
}

static void put_param(struct dice *d, const struct request_choice *c, const struct method *m,
                      unsigned at, struct buffer *out)
{
    uint8_t token[16] = {c->key};

    switch (m->params[at].type) {
    case PARAM_HANDLE: value_put_uint(d, handle_of(c, m), out); break;
    case PARAM_NAME: put_store(d, c, at > 1 ? (uint8_t)(c->store + 1) : c->store, out); break;
    case PARAM_SOURCE: put_store(d, c, c->store, out); break;
    case PARAM_ANY: put_any(d, c, m, at, out); break;
    case PARAM_RANGE: put_range(d, c, out); break;
    case PARAM_LIST: put_list(d, c, m, out); break;
    case PARAM_MAP: {
        if (m == &method_table[METHOD_SET_QUOTA]) {
            put_quota(d, c, out);
            break;
        }
        unsigned label = c->extra % COUNT_OF(labels);

        if (c->extra % 8 == 7) { /* never back: from now on its reads are not judged */
            value_put_map_head(d, 1, out);
            put_text(d, "database", out);
            put_text(d, databases[c->key % COUNT_OF(databases)], out);
            break;
        }
        if (m == &method_table[METHOD_ALTER_USER]) {
            put_settings(d, c, out);
            break;
        }
        value_put_map_head(d, 1, out);
        put_text(d, "client", out);
        value_put_text(d, slice_make(labels[label].bytes, labels[label].size), out);
        break;
    }
    case PARAM_TEXT:
        if (m == &method_table[METHOD_ALTER_USER]) {
            put_text(d, session_users[c->key % SESSION_USERS].name, out);
            break;
        }
        if (m == &method_table[METHOD_SET_QUOTA] && c->key % 4) {
            put_text(d, "main", out);
            break;
        }
        put_text(d, databases[c->key % COUNT_OF(databases)], out);
        break;
    case PARAM_NUMBER:
        if (m == &method_table[METHOD_CANCEL])
            value_put_uint(d, c->waiting ? c->waiting : c->msgid - 1u, out);
        else if (m->flags & METHOD_OPENER) /* openers, and versions */
            value_put_uint(d, at == 0 ? 1u + c->key % 2u : 1 + c->n % 3, out);
        else
            value_put_uint(d, c->cursor ? c->cursor : c->key, out);
        break;
    case PARAM_BINARY: value_put_binary(d, slice_make(token, sizeof token), out); break;
    default: buffer_put_byte(out, 0xc0);
    }
}

/* ---- options ---- */

static const char *word_of(enum method_option o, const struct method *m, uint8_t choice)
{
    bool odd = choice & 1;

    switch (o) {
    case OPTION_ID_ISOLATION: return odd ? "serializable" : "snapshot";
    case OPTION_ID_CONFLICT:
        return m == &method_table[METHOD_CREATE_STORE] ? "none"
               : odd                                   ? "greatest-version"
                                                       : "first-committer";
    case OPTION_ID_ON_ERROR: return odd ? "continue" : "fail";
    case OPTION_ID_DURABILITY: return odd ? "interval" : "sync";
    case OPTION_ID_ONLY: return odd ? "keys" : "values";
    default: return "?";
    }
}

static void put_option_text(struct dice *d, const struct request_choice *c,
                            const struct method *m, enum method_option o, struct buffer *out)
{
    unsigned label = c->extra % COUNT_OF(labels);

    if (o == OPTION_ID_LABEL && c->hidden & HIDDEN_LABEL)
        put_text(d, HIDDEN_LABEL_WORD, out);
    else if (o == OPTION_ID_LABEL)
        value_put_text(d, slice_make(labels[label].bytes, labels[label].size), out);
    else
        put_text(d, word_of(o, m, (uint8_t)(c->extra >> (o & 3))), out);
}

static void put_lock(struct dice *d, const struct request_choice *c, struct buffer *out)
{
    if (c->extra % 5 == 0) {
        put_text(d, "database", out);
        return;
    }
    value_put_map_head(d, 2, out);
    put_text(d, "shared", out);
    value_put_array_head(d, c->extra % 2, out);
    if (c->extra % 2)
        put_store(d, c, (uint8_t)(c->store + 1), out);
    put_text(d, "exclusive", out);
    value_put_array_head(d, 1, out);
    put_store(d, c, c->store, out);
}

static void put_option_any(struct dice *d, const struct request_choice *c, enum method_option o,
                           struct buffer *out)
{
    if (o == OPTION_ID_LOCK)
        put_lock(d, c, out);
    else if (o == OPTION_ID_KEY)
        put_text(d, "id", out);
    else
        put_key(d, c, c->key, out);
}

static void put_option(struct dice *d, const struct request_choice *c, const struct method *m,
                       enum method_option o, struct buffer *out)
{
    static const uint16_t numbers[] = {0, 1, 2, 3, 10, 1000, 60000};
    uint8_t token[16] = {c->extra & 3};

    put_text(d, method_options[o].name, out);
    if (c->fault == REQUEST_BAD_VALUE) {
        value_put_array_head(d, 0, out); /* no option is an array, but for `key` */
        return;
    }
    switch (method_options[o].type) {
    case OPTION_VALUE_NUMBER:
        value_put_uint(d, numbers[(c->extra + (unsigned)o) % COUNT_OF(numbers)], out);
        break;
    case OPTION_VALUE_TEXT: put_option_text(d, c, m, o, out); break;
    case OPTION_VALUE_BOOL: buffer_put_byte(out, 0xc2 + (c->extra & 1)); break;
    case OPTION_VALUE_BINARY: value_put_binary(d, slice_make(token, sizeof token), out); break;
    case OPTION_VALUE_ANY: put_option_any(d, c, o, out); break;
    }
}

/* Which options: those of the method whose bit the choice has, counted from the first. */
static uint64_t choose_options(const struct request_choice *c, const struct method *m)
{
    uint64_t chosen = 0;
    unsigned seen = 0;

    for (unsigned o = 0; o < OPTION_ID_COUNT; o++) {
        if (!(m->options >> o & 1))
            continue;
        if (o == OPTION_ID_LOCK || o == OPTION_ID_WAIT_MS) /* of some begins */
            chosen |= (uint64_t)(m == &method_table[METHOD_BEGIN] &&
                                 c->extra % (o == OPTION_ID_LOCK ? 3 : 4) == 0)
                      << o;
        else
            chosen |= (uint64_t)(c->options >> (seen++ % 7) & 1) << o;
    }
    if (c->hidden & HIDDEN_LABEL && m->options >> OPTION_ID_LABEL & 1)
        chosen |= UINT64_C(1) << OPTION_ID_LABEL;
    if (c->options & 0x80 && c->extra % 8 == 0)
        chosen |= UINT64_C(1) << OPTION_ID_DEADLINE_MS;
    return chosen;
}

static void put_options(struct dice *d, const struct request_choice *c, const struct method *m,
                        uint64_t chosen, struct buffer *out)
{
    bool bad = c->fault == REQUEST_BAD_OPTION;

    value_put_map_head(d, (uint32_t)__builtin_popcountll(chosen) + bad, out);
    for (unsigned o = 0; o < OPTION_ID_COUNT; o++)
        if (chosen >> o & 1)
            put_option(d, c, m, (enum method_option)o, out);
    if (bad) {
        put_text(d, "pgae", out);
        value_put_uint(d, 1, out);
    }
}

/* ---- the whole ---- */

static void put_name(struct dice *d, const struct request_choice *c, const struct method *m,
                     struct buffer *out)
{
    char name[32] = "";

    if (c->fault == REQUEST_NAME_NO_TEXT) {
        value_put_uint(d, c->extra, out);
        return;
    }
    memcpy(name, m->name, m->name_size);
    if (c->fault == REQUEST_MISSPELT)
        name[c->extra % m->name_size] ^= 1;
    value_put_text(d, slice_make(name, m->name_size), out);
}

static void put_params(struct dice *d, const struct request_choice *c, const struct method *m,
                       struct buffer *out)
{
    uint64_t chosen = choose_options(c, m);
    unsigned params = 0;
    bool has_options;

    while (m->params[params].type)
        params++;
    if (c->fault == REQUEST_BAD_VALUE && !chosen)
        chosen = UINT64_C(1) << OPTION_ID_DEADLINE_MS;
    has_options = chosen || c->fault == REQUEST_BAD_OPTION;
    if (c->fault == REQUEST_SHORT && params) {
        params--;
        has_options = false;
    }
    value_put_array_head(d, params + has_options + (c->fault == REQUEST_LONG ? LONG : 0), out);
    for (unsigned p = 0; p < params; p++) {
        if (c->fault == REQUEST_DEEP && p == params - 1 && p)
            put_deep(out);
        else
            put_param(d, c, m, p, out);
    }
    if (has_options)
        put_options(d, c, m, chosen, out);
    for (unsigned i = 0; c->fault == REQUEST_LONG && i < LONG; i++)
        buffer_put_byte(out, (uint8_t)(i & 0x7f));
}

void session_request_make(const struct request_choice *c, struct buffer *out)
{
    const struct method *m = choose_method(c->method);
    struct dice d = {(uint64_t)c->method << 40 | (uint64_t)c->key << 32 | c->msgid};

    value_put_array_head(&d, c->notification ? 3 : 4, out);
    value_put_uint(&d, c->notification ? 2 : 0, out);
    if (!c->notification)
        value_put_uint(&d, c->msgid, out);
    put_name(&d, c, m, out);
    switch (c->fault) {
    case REQUEST_PARAMS_MAP:
        value_put_map_head(&d, 1, out);
        put_text(&d, "t", out);
        value_put_uint(&d, handle_of(c, m), out);
        break;
    case REQUEST_PARAMS_BARE: value_put_uint(&d, handle_of(c, m), out); break;
    case REQUEST_PARAMS_NIL: buffer_put_byte(out, 0xc0); break;
    default: put_params(&d, c, m, out);
    }
}
