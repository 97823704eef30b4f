/* open.c - a connection's life: opened, opened again, closed with all that hangs on it. */
#include "client/lib/login.h"

#include <stdlib.h>
#include <unistd.h>

const char *hf_version(void)
{
    return HF_VERSION_TEXT;
}

static void options_fill(struct hf_open_options *o)
{
    if (o->connect_timeout_ms <= 0)
        o->connect_timeout_ms = 10000;
    if (o->keepalive_s == 0)
        o->keepalive_s = 30;
    if (o->in_flight_max == 0)
        o->in_flight_max = 1000;
    if (o->in_flight_max > 65536)
        o->in_flight_max = 65536;
    if (o->request_bytes_max == 0)
        o->request_bytes_max = 16u << 20;
    if (o->reply_bytes_max == 0)
        o->reply_bytes_max = 64u << 20;
}

static bool slots_new(struct hf_conn *c)
{
    c->slot_count = 16;
    while (c->slot_count < c->options.in_flight_max)
        c->slot_count *= 2;
    c->slots = calloc(c->slot_count, sizeof *c->slots);
    c->free_slots = malloc(c->slot_count * sizeof *c->free_slots);
    if (!c->slots || !c->free_slots)
        return false;
    c->free_count = c->slot_count;
    for (uint32_t i = 0; i < c->slot_count; i++)
        c->free_slots[i] = c->slot_count - 1 - i;
    return true;
}

/* The user may stand in the address; options come first. False: out of memory. */
static bool identity_make(struct hf_conn *c)
{
    struct identity *who = &c->identity;
    const char *user = c->options.user ? c->options.user : c->target.user;

    const char *password = c->options.password;

    const char **tls[] = {&c->options.tls, &c->options.tls_ca, &c->options.tls_name,
                          &c->options.tls_certificate, &c->options.tls_key};

    for (unsigned i = 0; i < sizeof tls / sizeof *tls; i++) {
        who->tls[i] = *tls[i] ? strdup(*tls[i]) : NULL;
        if (*tls[i] && !who->tls[i])
            return false;
        *tls[i] = who->tls[i];
    }
    who->user = user[0] ? strdup(user) : NULL;
    who->password = password ? strdup(password) : NULL;
    c->options.user = who->user;
    c->options.password = NULL; /* the caller's is not kept */
    return (!user[0] || who->user) && (!password || who->password);
}

static void identity_fini(struct identity *who)
{
    if (who->password)
        scram_wipe(who->password, strlen(who->password));
    for (unsigned i = 0; i < sizeof who->tls / sizeof *who->tls; i++)
        free(who->tls[i]);
    free(who->password);
    free(who->user);
    scram_wipe(&who->keys, sizeof who->keys);
}

/* Connected and logged in. */
static int connect_whole(struct hf_conn *c, struct hf_error *error)
{
    int e = connection_connect(c, error);

    return e ? e : login_perform(c, error);
}

struct hf_conn *hf_open(const char *address, const struct hf_open_options *options,
                        struct hf_error *error)
{
    struct hf_conn *c = calloc(1, sizeof *c);
    struct hf_error ignored;
    bool connected = false;
    const char *why;

    if (!error)
        error = &ignored;
    error_clear(error);
    if (!c) {
        error_set(error, HF_MEMORY, "out of memory");
        return NULL;
    }
    c->fd = -1;
    if (options)
        c->options = *options;
    options_fill(&c->options);
    c->wake_fd = -1;
    c->address = strdup(address ? address : HF_ADDRESS_DEFAULT);
    c->database = c->options.database ? strdup(c->options.database) : NULL;
    why = c->address ? target_read(c->address, &c->target) : NULL;
    if (c->address && !why && !c->options.database && c->target.database[0]) {
        c->options.database = c->target.database;
        c->database = strdup(c->target.database);
    }
    if (!c->address || (c->options.database && !c->database) || !slots_new(c) ||
        !identity_make(c))
        error_set(error, HF_MEMORY, "out of memory");
    else if (why)
        error_set(error, HF_MISUSE, "%s is not an address; %s", c->address, why);
    else
        connected = connect_whole(c, error) == HF_OK;
    if (connected && database_bind(c) != HF_OK) {
        *error = c->error;
        error->details = HF_NONE; /* they go with the connection */
        connected = false;
    }
    if (connected)
        return c;
    hf_close(c);
    return NULL;
}

void hf_close(struct hf_conn *c)
{
    if (!c)
        return;
    if (c->dispatching) { /* whoever called back still needs the memory */
        hf_call_cancel(c);
        connection_lose(c, HF_CONNECTION, "the connection to %s was closed inside a callback",
                        c->address);
        return;
    }
    secure_close(c->secure);
    c->secure = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    cursor_free_all(c);
    txn_free_all(c);
    while (c->replies)
        reply_destroy(c->replies);
    free(c->spare);
    hf_pack_fini(&c->out);
    hf_pack_fini(&c->joined);
    free(c->in);
    free(c->slots);
    free(c->free_slots);
    free(c->address);
    free(c->database);
    identity_fini(&c->identity);
    free(c);
}

int hf_reconnect(struct hf_conn *c)
{
    struct hf_error error;

    if (c->dispatching || c->building)
        return error_set(
            &c->error, HF_MISUSE,
            "hf_reconnect was called inside a callback, or between hf_call_begin and "
            "hf_call_end");
    connection_lose(c, HF_CONNECTION, "the connection to %s was closed in order to reconnect",
                    c->address);
    c->sent_total = 0;
    if (connect_whole(c, &error) != HF_OK) {
        c->lost = error;
        return connection_fail(c, &error);
    }
    return database_bind(c);
}
