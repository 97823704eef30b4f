#include "tests/unit/tls_rig.h"

#include "server/base/assert.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAIN_AT_ONCE ((size_t)256 << 10)

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name;

    ASSERT(x);
    name = X509_get_subject_name(x);
    ASSERT(X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), 1));
    ASSERT(X509_gmtime_adj(X509_getm_notBefore(x), -3600));
    ASSERT(X509_gmtime_adj(X509_getm_notAfter(x), 86400));
    ASSERT(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"rig", -1, -1,
                                      0));
    ASSERT(X509_set_issuer_name(x, name) && X509_set_pubkey(x, key));
    ASSERT(X509_sign(x, key, EVP_sha256()));
    return x;
}

static void make_files(const char *certificate, const char *key)
{
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509 *x = make_certificate(k);
    FILE *file = fopen(certificate, "w");

    ASSERT(file && PEM_write_X509(file, x) && fclose(file) == 0);
    file = fopen(key, "w");
    ASSERT(file && fchmod(fileno(file), 0600) == 0 &&
           PEM_write_PrivateKey(file, k, NULL, NULL, 0, NULL, NULL) && fclose(file) == 0);
    X509_free(x);
    EVP_PKEY_free(k);
}

/* By the server's own code, from files that are there for a moment. */
static struct tls_context *make_context(bool min_12)
{
    char folder[] = "/tmp/holdfast-rig.XXXXXX", error[OPTION_ERROR_BYTES];
    static struct options o; /* large */
    struct tls_context *context;

    ASSERT(mkdtemp(folder));
    options_default(&o);
    o.tls_min_version = min_12;
    snprintf(o.tls_certificate, sizeof o.tls_certificate, "%s/c", folder);
    snprintf(o.tls_key, sizeof o.tls_key, "%s/k", folder);
    make_files(o.tls_certificate, o.tls_key);
    context = tls_context_new(&o, error);
    if (!context)
        fprintf(stderr, "%s\n", error);
    ASSERT(context);
    unlink(o.tls_certificate);
    unlink(o.tls_key);
    rmdir(folder);
    return context;
}

static void make_client_context(struct tls_rig *rig, bool only_12)
{
    rig->client_context = SSL_CTX_new(TLS_client_method());
    ASSERT(rig->client_context);
    SSL_CTX_set_verify(rig->client_context, SSL_VERIFY_NONE, NULL);
    if (only_12)
        SSL_CTX_set_max_proto_version(rig->client_context, TLS1_2_VERSION);
}

static void end_both(struct tls_rig *rig)
{
    transport_fini(&rig->server);
    SSL_free(rig->client);
    net_buffer_fini(&rig->plain);
    buffer_fini(&rig->to_server);
    buffer_fini(&rig->sent);
    buffer_fini(&rig->got);
}

static void begin_both(struct tls_rig *rig, SSL_SESSION *session)
{
    ASSERT(transport_init(&rig->server, rig->context, &rig->account));
    rig->plain = NET_BUFFER_EMPTY;
    rig->result = TLS_WAITS;
    rig->client_failed = false;
    rig->to_server = rig->sent = rig->got = (struct buffer){NULL, 0, 0};
    rig->client = SSL_new(rig->client_context);
    rig->client_in = BIO_new(BIO_s_mem());
    rig->client_out = BIO_new(BIO_s_mem());
    ASSERT(rig->client && rig->client_in && rig->client_out);
    BIO_set_mem_eof_return(rig->client_in, -1);
    BIO_set_mem_eof_return(rig->client_out, -1);
    SSL_set_bio(rig->client, rig->client_in, rig->client_out);
    SSL_set_connect_state(rig->client);
    if (session)
        SSL_set_session(rig->client, session);
}

void tls_rig_open(struct tls_rig *rig, bool min_12, bool only_12)
{
    memset(rig, 0, sizeof *rig);
    account_init(&rig->account, NULL);
    rig->context = make_context(min_12);
    make_client_context(rig, only_12);
    begin_both(rig, NULL);
}

void tls_rig_connect(struct tls_rig *rig, SSL_SESSION *session)
{
    end_both(rig);
    begin_both(rig, session);
}

void tls_rig_close(struct tls_rig *rig)
{
    end_both(rig);
    SSL_CTX_free(rig->client_context);
    tls_context_free(rig->context);
    account_fini(&rig->account); /* every byte has come back */
    ERR_clear_error();
}

void tls_rig_collect(struct tls_rig *rig)
{
    char *bytes;
    long size = BIO_get_mem_data(rig->client_out, &bytes);

    if (size > 0)
        buffer_put(&rig->to_server, bytes, (size_t)size);
    BIO_reset(rig->client_out);
}

void tls_rig_client_step(struct tls_rig *rig)
{
    uint8_t room[4096];
    size_t n = 0;
    int result;

    ERR_clear_error();
    while ((result = SSL_read_ex(rig->client, room, sizeof room, &n)) == 1)
        buffer_put(&rig->got, room, n);
    result = SSL_get_error(rig->client, result);
    rig->client_failed = rig->client_failed ||
                         (result != SSL_ERROR_WANT_READ && result != SSL_ERROR_ZERO_RETURN);
    ERR_clear_error();
    tls_rig_collect(rig);
}

bool tls_rig_client_write(struct tls_rig *rig, struct slice plain)
{
    size_t n = 0;

    bool is_open = SSL_is_init_finished(rig->client) ||
                   SSL_get_key_update_type(rig->client) != SSL_KEY_UPDATE_NONE;

    ERR_clear_error();
    if (rig->client_failed || !is_open || !plain.size ||
        SSL_write_ex(rig->client, plain.data, plain.size, &n) != 1)
        return false;
    ASSERT(n == plain.size);
    buffer_put(&rig->sent, plain.data, plain.size);
    tls_rig_collect(rig);
    return true;
}

/* As a connection does: it reads until there is nothing more, and nothing after an end. */
static void server_reads(struct tls_rig *rig)
{
    while (rig->result == TLS_WAITS || rig->result == TLS_DATA) {
        rig->result = transport_read(&rig->server, &rig->plain, PLAIN_AT_ONCE, &rig->why);
        if (rig->result == TLS_WAITS)
            return;
    }
}

void tls_rig_deliver(struct tls_rig *rig, size_t bytes)
{
    struct buffer *b = &rig->to_server;

    if (bytes > b->size)
        bytes = b->size;
    if (bytes && (rig->result == TLS_WAITS || rig->result == TLS_DATA)) {
        net_buffer_append(&rig->server.in, b->data, bytes);
        server_reads(rig);
    }
    if (bytes)
        memmove(b->data, b->data + bytes, b->size - bytes);
    b->size -= bytes;
}

void tls_rig_answer(struct tls_rig *rig)
{
    struct net_buffer *out = &rig->server.out;

    if (out->used)
        BIO_write(rig->client_in, out->data, (int)out->used);
    net_buffer_clear(out, 4096);
    tls_rig_client_step(rig);
}

void tls_rig_settle(struct tls_rig *rig)
{
    do {
        tls_rig_client_step(rig);
        tls_rig_deliver(rig, SIZE_MAX);
        tls_rig_answer(rig);
    } while (rig->to_server.size);
}
