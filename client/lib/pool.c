/* pool.c - connections that threads share: each belongs to one of them at a time.
 *
 * The lock is held for lists and counts only, never while a connection is opened, looked at or
 * closed. count is the connections there are, free or taken, and the places reserved for those
 * that are being opened. */
#include "client/lib/conn_struct.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define POOL_CONNECTIONS_DEFAULT 8
#define POOL_WAIT_DEFAULT_MS 10000

struct hf_pool {
    char *address; /* owned; NULL: the default */
    char *database; /* likewise */
    char *user, *password; /* owned; NULL: none */
    char *tls[5];          /* likewise: the options of TLS */
    struct hf_pool_options options;

    pthread_mutex_t lock;
    pthread_cond_t changed;  /* one was given back, or its place is free */
    struct hf_conn **free;   /* owned, connections_max places; the newest last */
    unsigned free_count, count;
};

static bool pool_init(struct hf_pool *pool)
{
    pthread_condattr_t attributes;
    bool ok = false;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    if (pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
        pthread_mutex_init(&pool->lock, NULL) == 0) {
        ok = pthread_cond_init(&pool->changed, &attributes) == 0;
        if (!ok)
            pthread_mutex_destroy(&pool->lock);
    }
    pthread_condattr_destroy(&attributes);
    return ok;
}

/* Texts that are used again later. False: out of memory. */
static bool pool_keep(struct hf_pool *pool, const char *address)
{
    struct hf_open_options *o = &pool->options.open;
    const char *user = o->user, *password = o->password, *database = o->database;

    const char **tls[] = {&o->tls, &o->tls_ca, &o->tls_name, &o->tls_certificate, &o->tls_key};

    for (unsigned i = 0; i < sizeof tls / sizeof *tls; i++) {
        pool->tls[i] = *tls[i] ? strdup(*tls[i]) : NULL;
        if (*tls[i] && !pool->tls[i])
            return false;
        *tls[i] = pool->tls[i];
    }
    pool->address = address ? strdup(address) : NULL;
    pool->user = user ? strdup(user) : NULL;
    pool->password = password ? strdup(password) : NULL;
    pool->database = database ? strdup(database) : NULL;
    o->user = pool->user;
    o->password = pool->password;
    o->database = pool->database;
    return (!address || pool->address) && (!user || pool->user) &&
           (!password || pool->password) && (!database || pool->database);
}

struct hf_pool *hf_pool_open(const char *address, const struct hf_pool_options *options,
                             struct hf_error *error)
{
    struct hf_pool *pool = calloc(1, sizeof *pool);
    bool ok = pool && pool_init(pool);

    if (!ok) {
        free(pool);
        error_set(error, HF_MEMORY, "out of memory for a pool");
        return NULL;
    }
    if (options)
        pool->options = *options;
    if (pool->options.connections_max == 0)
        pool->options.connections_max = POOL_CONNECTIONS_DEFAULT;
    if (pool->options.wait_ms == 0)
        pool->options.wait_ms = POOL_WAIT_DEFAULT_MS;
    pool->free = calloc(pool->options.connections_max, sizeof *pool->free);
    if (!pool->free || !pool_keep(pool, address))
        error_set(error, HF_MEMORY, "out of memory for a pool");
    else
        pool->free[0] = hf_open(pool->address, &pool->options.open, error);
    if (pool->free && pool->free[0]) {
        pool->free_count = pool->count = 1;
        return pool;
    }
    hf_pool_close(pool);
    return NULL;
}

static struct timespec time_after_ms(int ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Wait, with the lock, until there is a free connection or room for one more. False: not in
 * time. */
static bool pool_wait(struct hf_pool *pool)
{
    struct timespec until =
        time_after_ms(pool->options.wait_ms > 0 ? pool->options.wait_ms : 0);
    int status = 0;

    while (pool->free_count == 0 && pool->count == pool->options.connections_max &&
           status != ETIMEDOUT) {
        if (pool->options.wait_ms < 0)
            pthread_cond_wait(&pool->changed, &pool->lock);
        else
            status = pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
    }
    return pool->free_count > 0 || pool->count < pool->options.connections_max;
}

/* A place is free again. */
static void pool_forget(struct hf_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->count--;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

/* One that lay free may have been closed by the server: what it sent meanwhile says so. */
static int connection_revive(struct hf_conn *c)
{
    if (c->fd >= 0)
        hf_poll(c, 0);
    return c->fd >= 0 ? HF_OK : hf_reconnect(c);
}

struct hf_conn *hf_pool_take(struct hf_pool *pool, struct hf_error *error)
{
    struct hf_conn *c = NULL;
    bool ok;

    pthread_mutex_lock(&pool->lock);
    ok = pool_wait(pool);
    if (ok && pool->free_count > 0)
        c = pool->free[--pool->free_count];
    else if (ok)
        pool->count++;
    pthread_mutex_unlock(&pool->lock);
    if (!ok) {
        error_set(error, HF_TIMEOUT, "all %u connections of the pool were in use for %d ms",
                  pool->options.connections_max, pool->options.wait_ms);
        return NULL;
    }
    if (!c) {
        c = hf_open(pool->address, &pool->options.open, error);
    } else if (connection_revive(c) != HF_OK) {
        if (error) {
            *error = *hf_conn_error(c);
            error->details = HF_NONE;
        }
        hf_close(c);
        c = NULL;
    }
    if (!c)
        pool_forget(pool);
    return c;
}

void hf_pool_give(struct hf_pool *pool, struct hf_conn *c)
{
    if (!c)
        return;
    if (c->fd < 0 || c->txns || c->cursors || c->in_flight > 0 || c->building) {
        hf_close(c);
        pool_forget(pool);
        return;
    }
    hf_on_pushed(c, NULL, NULL);
    pthread_mutex_lock(&pool->lock);
    pool->free[pool->free_count++] = c;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

int hf_pool_transact(struct hf_pool *pool, const struct hf_transact_options *options,
                     hf_transact_fn fn, void *ctx, uint64_t *commit, struct hf_error *error)
{
    struct hf_error taken;
    struct hf_conn *c = hf_pool_take(pool, &taken);
    int e;

    if (!c) {
        if (error)
            *error = taken;
        return taken.code;
    }
    e = hf_transact(c, options, fn, ctx, commit);
    if (e != HF_OK && error) {
        *error = *hf_conn_error(c);
        error->details = HF_NONE;
    }
    hf_pool_give(pool, c);
    return e;
}

void hf_pool_close(struct hf_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    while (pool->free_count < pool->count)
        pthread_cond_wait(&pool->changed, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    while (pool->free_count > 0)
        hf_close(pool->free[--pool->free_count]);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool->free);
    if (pool->password)
        scram_wipe(pool->password, strlen(pool->password));
    for (unsigned i = 0; i < sizeof pool->tls / sizeof *pool->tls; i++)
        free(pool->tls[i]);
    free(pool->password);
    free(pool->user);
    free(pool->address);
    free(pool->database);
    free(pool);
}
