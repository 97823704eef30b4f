/* users.h - who may log in, and what they may do.
 *
 * Users are rows of the vault (server/txn/vault.h), read at the start and kept here by name. A row
 * holds a verifier (proto/scram.h), never a password. The secret from which verifiers of users that
 * do not exist are made is a row, too, so that those look the same after a restart.
 *
 * A session holds a reference to its user; what is changed of a user counts for its sessions from
 * that moment on, since they look at the same rights.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_USERS_H
#define HOLDFAST_NET_USERS_H

#include "proto/scram.h"
#include "server/net/rights.h"
#include "server/storage/hash_table.h"

struct user_facts { /* what is kept of one */
    bool has_verifier;
    struct scram_verifier verifier;
    bool has_uid; /* on the Unix socket, a client that runs as that user of the machine is it */
    uint32_t uid;
    struct rights rights; /* owned */
};

struct user {
    struct hash_link in_names;
    struct list_link in_all;
    struct user_facts facts;
    unsigned refs; /* users, while it is there, and sessions */
    bool is_dropped;
    uint64_t cuts; /* how often a right has been taken from it */
    size_t name_size;
    uint8_t name[SCRAM_NAME_BYTES_MAX];
};

struct users {
    struct hash_table names;
    struct list_link all; /* user.in_all */
    size_t count;
    uint64_t seed;
    uint8_t secret[SCRAM_KEY_BYTES];
    bool has_secret; /* it is kept on disk; else it is of this run */
};

/* ERR_NOMEM. */
enum err users_init(struct users *u, struct os *os);
/* No session has a user any more. */
void users_fini(struct users *u);
/* What the database keeps. ERR_CORRUPT, ERR_NOMEM. */
enum err users_load(struct users *u, struct db *db, struct failure *f);

static inline struct slice user_name(const struct user *user)
{
    return slice_make(user->name, user->name_size);
}

/* NULL: there is none. */
struct user *users_find(struct users *u, struct slice name);
struct user *users_find_uid(struct users *u, uint32_t uid);
struct user *user_ref(struct user *user);
void user_unref(struct user *user); /* NULL is allowed */

/* What a user is to become: a map, read over what facts hold already. ERR_BAD_REQUEST,
 * ERR_NOMEM with f. method: its name. */
enum err user_facts_read(struct user_facts *facts, struct slice settings, const char *method,
                         struct failure *f);
enum err user_facts_copy(struct user_facts *to, const struct user_facts *from);
void user_facts_fini(struct user_facts *facts);

/* Keep the secret, unless it is kept. As db_vault_put. */
enum err users_keep_secret(struct users *u, struct op *op);
/* A user of that name is so from now on; facts are taken on ERR_OK. As db_vault_put; ERR_TOO_LARGE:
 * the row is too large. *out: the user; *cut: a right has been taken away from it. */
enum err users_put(struct users *u, struct op *op, struct slice name, struct user_facts *facts,
                   struct user **out, bool *cut);
/* The user is gone. As db_vault_put. */
enum err users_drop(struct users *u, struct op *op, struct user *user);

#endif
