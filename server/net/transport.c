/* transport.c - see transport.h. */
#include "server/net/transport.h"

#include "server/base/assert.h"

#define FED_AT_ONCE ((size_t)16 << 10) /* so that OpenSSL keeps little of what waits */

bool transport_init(struct transport *t, struct tls_context *context, struct account *account)
{
    *t = (struct transport){.account = account};
    if (!context)
        return true;
    t->tls = tls_new(context);
    if (!t->tls)
        return false;
    account_add(account, ACCOUNT_HANDLES, TLS_MEMORY_BYTES);
    net_buffer_charge(&t->in, account, ACCOUNT_INPUT);
    net_buffer_charge(&t->out, account, ACCOUNT_OUTPUT);
    return true;
}

void transport_fini(struct transport *t)
{
    if (!t->tls)
        return;
    tls_free(t->tls);
    t->tls = NULL;
    account_sub(t->account, ACCOUNT_HANDLES, TLS_MEMORY_BYTES);
    net_buffer_fini(&t->in);
    net_buffer_fini(&t->out);
}

/* false: no memory. */
static bool feed(struct transport *t)
{
    size_t left = t->in.used - t->taken, size = left < FED_AT_ONCE ? left : FED_AT_ONCE;

    if (!tls_feed(t->tls, slice_make(t->in.data + t->taken, size)))
        return false;
    t->taken += size;
    if (t->taken == t->in.used) {
        net_buffer_clear(&t->in, TRANSPORT_AHEAD);
        t->taken = 0;
    }
    return true;
}

enum tls_result transport_read(struct transport *t, struct net_buffer *plain, size_t bytes_max,
                               const char **why)
{
    size_t before = plain->used;
    enum tls_result result = TLS_DATA;

    while (result == TLS_DATA && plain->used - before < bytes_max) {
        result = tls_read(t->tls, plain, bytes_max - (plain->used - before));
        if (result == TLS_WAITS && t->taken < t->in.used) {
            if (!feed(t)) {
                *why = "out of memory";
                return TLS_BROKEN;
            }
            result = TLS_DATA;
        }
    }
    tls_take(t->tls, &t->out);
    if (result == TLS_BROKEN)
        *why = tls_why(t->tls);
    if (result == TLS_WAITS && t->eof) { /* somebody has cut it off */
        *why = tls_is_open(t->tls) ? "the connection ended without a TLS close_notify"
                                   : "the connection ended during the TLS handshake";
        result = TLS_BROKEN;
    }
    t->has_ended = result == TLS_ENDED;
    return result;
}

bool transport_seal(struct transport *t, struct slice plain)
{
    ASSERT(t->tls && transport_is_open(t));
    for (size_t done = 0; done < plain.size;) {
        size_t left = plain.size - done, size = left < FED_AT_ONCE ? left : FED_AT_ONCE;

        if (!tls_write(t->tls, slice_make(plain.data + done, size)))
            return false;
        tls_take(t->tls, &t->out);
        done += size;
    }
    return !t->out.failed;
}

void transport_end(struct transport *t)
{
    tls_end(t->tls);
    tls_take(t->tls, &t->out);
}
