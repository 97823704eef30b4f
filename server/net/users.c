/* users.c - see users.h. A row, in MessagePack (docs/formats.md):
 *
 *     "s"         32 bytes: the secret
 *     "u" NAME    {"v": 1, "verifier": text or nil, "admin": bool, "uid": number or nil,
 *                  "grants": [[database, store, [right]]]} */
#include "server/net/users.h"

#include "proto/msgpack.h"
#include "server/base/assert.h"
#include "server/txn/vault_rows.h"

#include <assert.h>
#include <stdlib.h>

#define ROW_VERSION 1
static_assert(SCRAM_NAME_BYTES_MAX < VAULT_KEY_BYTES_MAX, "a key is the kind and a name");

static const uint8_t secret_key[] = {VAULT_SECRET};

/* ---- finding ---- */

static uint64_t name_hash(const struct users *u, struct slice name)
{
    uint64_t h = u->seed;

    for (size_t i = 0; i < name.size; i++)
        h = hash_pair(h, name.data[i] + 1u);
    return h;
}

enum err users_init(struct users *u, struct os *os)
{
    memset(u, 0, sizeof *u);
    list_init(&u->all);
    os->ops->random(os, &u->seed, sizeof u->seed);
    os->ops->random(os, u->secret, sizeof u->secret);
    return hash_table_init(&u->names, os);
}

void user_facts_fini(struct user_facts *facts)
{
    rights_fini(&facts->rights);
    scram_wipe(&facts->verifier, sizeof facts->verifier);
}

struct user *user_ref(struct user *user)
{
    user->refs++;
    return user;
}

void user_unref(struct user *user)
{
    if (!user || --user->refs)
        return;
    ASSERT(user->is_dropped);
    user_facts_fini(&user->facts);
    free(user);
}

/* Nobody finds it any more. */
static void forget(struct users *u, struct user *user)
{
    ASSERT(!user->is_dropped && u->count);
    hash_table_remove(&u->names, &user->in_names);
    list_remove(&user->in_all);
    u->count--;
    user->is_dropped = true;
    user_unref(user);
}

void users_fini(struct users *u)
{
    while (!list_is_empty(&u->all))
        forget(u, LIST_ENTRY(u->all.next, struct user, in_all));
    hash_table_fini(&u->names);
    scram_wipe(u->secret, sizeof u->secret);
}

struct user *users_find(struct users *u, struct slice name)
{
    struct hash_link *link = hash_table_first(&u->names, name_hash(u, name));

    for (; link; link = hash_table_next(&u->names, link)) {
        struct user *user = LIST_ENTRY(link, struct user, in_names);

        ASSERT(!user->is_dropped);
        if (slice_equal(user_name(user), name))
            return user;
    }
    return NULL;
}

struct user *users_find_uid(struct users *u, uint32_t uid)
{
    LIST_EACH (link, &u->all) {
        struct user *user = LIST_ENTRY(link, struct user, in_all);

        ASSERT(!user->is_dropped);
        if (user->facts.has_uid && user->facts.uid == uid)
            return user;
    }
    return NULL;
}

static struct user *user_new(struct users *u, struct slice name)
{
    struct user *user = calloc(1, sizeof *user);

    ASSERT(name.size <= sizeof user->name);
    if (!user)
        return NULL;
    memcpy(user->name, name.data, name.size);
    user->name_size = name.size;
    user->refs = 1;
    list_init(&user->in_all);
    list_push_back(&u->all, &user->in_all);
    hash_table_insert(&u->names, &user->in_names, name_hash(u, name));
    u->count++;
    return user;
}

/* ---- what is kept of one ---- */

enum err user_facts_copy(struct user_facts *to, const struct user_facts *from)
{
    size_t size = from->rights.count * sizeof *from->rights.grants;

    ASSERT(to != from);
    *to = *from;
    to->rights.grants = size ? malloc(size) : NULL;
    if (size && !to->rights.grants) {
        to->rights.count = 0;
        return ERR_NOMEM;
    }
    if (size)
        memcpy(to->rights.grants, from->rights.grants, size);
    return ERR_OK;
}

static bool read_nil(struct msgpack_cursor *at)
{
    enum msgpack_type type;

    return msgpack_peek(at, &type) == ERR_OK && type == MSGPACK_NIL &&
           msgpack_skip(at, 1, NULL) == ERR_OK;
}

static bool read_verifier(struct user_facts *facts, struct msgpack_cursor *at)
{
    struct slice text;

    facts->has_verifier = !read_nil(at);
    return !facts->has_verifier || (msgpack_read_text(at, &text) == ERR_OK &&
                                    scram_verifier_read(text, &facts->verifier));
}

static bool read_uid(struct user_facts *facts, struct msgpack_cursor *at)
{
    uint64_t n = 0;

    facts->has_uid = !read_nil(at);
    if (facts->has_uid && (msgpack_read_uint(at, &n) || n >= UINT32_MAX))
        return false;
    facts->uid = (uint32_t)n;
    return true;
}

static enum err read_grants(struct user_facts *facts, struct msgpack_cursor *at,
                            const char **why)
{
    struct rights fresh = {.is_admin = facts->rights.is_admin};
    enum err e = rights_read_grants(at, &fresh, why);

    if (e) {
        rights_fini(&fresh);
        return e;
    }
    rights_fini(&facts->rights);
    facts->rights = fresh;
    return ERR_OK;
}

static enum err read_setting(struct user_facts *facts, struct slice name,
                             struct msgpack_cursor *at, const char **why)
{
    if (slice_equal(name, slice_text("verifier"))) {
        *why = "expected verifier as SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY with at "
               "least 4096 iterations, or nil";
        return read_verifier(facts, at) ? ERR_OK : ERR_BAD_REQUEST;
    }
    if (slice_equal(name, slice_text("admin"))) {
        *why = "expected admin as true or false";
        return msgpack_read_bool(at, &facts->rights.is_admin) ? ERR_BAD_REQUEST : ERR_OK;
    }
    if (slice_equal(name, slice_text("uid"))) {
        *why = "expected uid as a number below 4294967295, or nil";
        return read_uid(facts, at) ? ERR_OK : ERR_BAD_REQUEST;
    }
    if (slice_equal(name, slice_text("grants")))
        return read_grants(facts, at, why);
    *why = "unknown setting of a user; expected verifier, admin, uid or grants";
    return ERR_BAD_REQUEST;
}

enum err user_facts_read(struct user_facts *facts, struct slice settings, const char *method,
                         struct failure *f)
{
    struct msgpack_cursor at = msgpack_open(settings);
    const char *why = "expected the settings of a user as a map";
    struct slice name;
    uint32_t pairs = 0;
    enum err e = slice_is_none(settings) || msgpack_read_map(&at, &pairs) == ERR_OK
                     ? ERR_OK
                     : ERR_BAD_REQUEST;

    for (uint32_t i = 0; i < pairs && !e; i++) {
        why = "expected the names of settings as strings";
        e = msgpack_read_text(&at, &name) ? ERR_BAD_REQUEST
                                          : read_setting(facts, name, &at, &why);
    }
    if (e == ERR_NOMEM)
        return failure_set(f, e, "out of memory for a user");
    return e ? failure_set(f, e, "%s: %s", method, why) : ERR_OK;
}

/* ---- rows ---- */

static void put_row(struct net_buffer *b, const struct user_facts *facts)
{
    char verifier[SCRAM_VERIFIER_BYTES_MAX];

    put_map(b, 5);
    put_fact(b, "v", ROW_VERSION);
    put_word(b, "verifier");
    if (facts->has_verifier) {
        scram_verifier_write(&facts->verifier, verifier);
        put_word(b, verifier);
    } else {
        put_nil(b);
    }
    put_word(b, "admin");
    put_bool(b, facts->rights.is_admin);
    put_word(b, "uid");
    if (facts->has_uid)
        put_uint(b, facts->uid);
    else
        put_nil(b);
    put_word(b, "grants");
    rights_put_grants(b, &facts->rights);
}

/* Behind "v": what user_facts_read reads. */
static enum err read_row(struct user_facts *facts, struct slice row)
{
    struct msgpack_cursor at;
    const char *why;
    uint32_t pairs;
    struct slice name;
    enum err e = vault_value_open(row, ROW_VERSION, &at, &pairs);

    for (uint32_t i = 0; i < pairs && !e; i++)
        e = msgpack_read_text(&at, &name) ? ERR_CORRUPT : read_setting(facts, name, &at, &why);
    return e == ERR_BAD_REQUEST ? ERR_CORRUPT : e;
}

static enum err take_row(void *context, struct slice name, struct slice value)
{
    struct users *u = context;
    struct user *user;

    if (!scram_name_is_good(name))
        return ERR_CORRUPT;
    user = user_new(u, name);
    return user ? read_row(&user->facts, value) : ERR_NOMEM;
}

static enum err load_secret(struct users *u, struct db *db, struct failure *f)
{
    const struct vault_row *row = db_vault_find(db, slice_make(secret_key, sizeof secret_key));

    if (!row)
        return ERR_OK;
    if (row->value_size != sizeof u->secret)
        return failure_set(f, ERR_CORRUPT, "the row of the secret of logins is corrupt");
    memcpy(u->secret, vault_row_value(row).data, sizeof u->secret);
    u->has_secret = true;
    return ERR_OK;
}

enum err users_load(struct users *u, struct db *db, struct failure *f)
{
    enum err e = load_secret(u, db, f);

    return e ? e : db_vault_load(db, VAULT_USER, "user", take_row, u, f);
}

enum err users_keep_secret(struct users *u, struct op *op)
{
    enum err e = ERR_OK;

    if (!u->has_secret)
        e = db_vault_put(op, slice_make(secret_key, sizeof secret_key),
                         slice_make(u->secret, sizeof u->secret));
    u->has_secret = u->has_secret || !e;
    return e;
}

static enum err put(struct op *op, struct slice name, const struct user_facts *facts)
{
    uint8_t key[VAULT_KEY_BYTES_MAX];
    struct net_buffer row = {.used = 0};
    enum err e = ERR_NOMEM;

    put_row(&row, facts);
    if (row.used > VAULT_VALUE_BYTES_MAX)
        e = failure_set(&op->failure, ERR_TOO_LARGE,
                        "the grants of a user take %zu bytes; the limit is %u", row.used,
                        VAULT_VALUE_BYTES_MAX);
    else if (!row.failed)
        e = db_vault_put(op, vault_key(VAULT_USER, name, key), slice_make(row.data, row.used));
    net_buffer_fini(&row);
    return e;
}

enum err users_put(struct users *u, struct op *op, struct slice name, struct user_facts *facts,
                   struct user **out, bool *cut)
{
    struct user *user = users_find(u, name), *fresh = user ? NULL : user_new(u, name);
    enum err e = user || fresh ? put(op, name, facts) : ERR_NOMEM;

    *cut = false;
    if (e) {
        if (fresh)
            forget(u, fresh);
        return e;
    }
    *out = user ? user : fresh;
    *cut = user && !rights_include(&facts->rights, &user->facts.rights);
    if (user)
        user->cuts += *cut;
    user_facts_fini(&(*out)->facts);
    (*out)->facts = *facts;
    *facts = (struct user_facts){.has_uid = false};
    return ERR_OK;
}

enum err users_drop(struct users *u, struct op *op, struct user *user)
{
    uint8_t key[VAULT_KEY_BYTES_MAX];
    enum err e = db_vault_put(op, vault_key(VAULT_USER, user_name(user), key), SLICE_NONE);

    if (e)
        return e;
    user->cuts++;
    user_facts_fini(&user->facts); /* whoever is still connected as it may do nothing */
    forget(u, user);
    return ERR_OK;
}
