/* tls.c - see tls.h. */
#include "server/net/tls.h"

#include "server/base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_BYTES 16384
#define KEY_FILE_BYTES_MAX 65536
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"

struct tls_context {
    SSL_CTX *ssl;
};

struct tls {
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    bool is_open;
    bool has_binding;
    uint8_t binding[TLS_BINDING_BYTES];
    uint64_t fed;         /* bytes of the client, before it is open */
    unsigned key_updates; /* of the client, since update_bytes were 0 */
    uint64_t update_bytes;
    char why[160];
};

static void say(char *to, size_t room, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    snprintf(to, room, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
}

static bool refuse(char *error, const char *option, const char *path, const char *why)
{
    char reason[200];

    say(reason, sizeof reason, why);
    snprintf(error, OPTION_ERROR_BYTES, "%s: %.600s: %s", option, path, reason);
    return false;
}

/* ---- files ---- */

/* As it is opened, so that nothing can change between looking and reading. A link is followed. */
static int open_key(const char *path, const char **why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    *why = NULL;
    if (fd < 0)
        *why = errno == ENOENT ? "the file does not exist" : "the file cannot be opened";
    else if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        *why = "expected a regular file";
    else if (st.st_uid != 0 && st.st_uid != geteuid())
        *why = "the file must belong to the server's user or to root";
    else if (st.st_mode & (st.st_uid == 0 && geteuid() != 0 ? 0037 : 0077))
        *why = "others can read the file; run chmod 600 on it";
    else if (st.st_size > KEY_FILE_BYTES_MAX)
        *why = "the file is too large";
    if (*why && fd >= 0)
        close(fd);
    return *why ? -1 : fd;
}

/* A key with a passphrase cannot be used: nobody is there to type it. */
static int no_passphrase(char *to, int size, int rwflag, void *context)
{
    return 0;
}

static bool use_key(SSL_CTX *ssl, const char *path, char *error)
{
    const char *why;
    int fd = open_key(path, &why);
    BIO *file = fd >= 0 ? BIO_new_fd(fd, BIO_CLOSE) : NULL;
    EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL) : NULL;
    bool ok = key && SSL_CTX_use_PrivateKey(ssl, key) == 1;

    if (fd >= 0 && !file)
        close(fd);
    BIO_free(file);
    EVP_PKEY_free(key);
    if (ok)
        return true;
    return refuse(error, "tls-key", path,
                  why   ? why
                  : key ? "it does not match the certificate"
                        : "expected a private key in PEM, without a passphrase");
}

static bool use_files(SSL_CTX *ssl, const struct options *o, char *error)
{
    if (SSL_CTX_use_certificate_chain_file(ssl, o->tls_certificate) != 1)
        return refuse(
            error, "tls-certificate", o->tls_certificate,
            "expected a certificate in PEM, followed by its intermediate certificates");
    if (!use_key(ssl, o->tls_key, error))
        return false;
    if (SSL_CTX_check_private_key(ssl) != 1)
        return refuse(error, "tls-key", o->tls_key, "it does not match the certificate");
    if (!o->tls_client_ca[0])
        return true;
    if (SSL_CTX_load_verify_file(ssl, o->tls_client_ca) != 1)
        return refuse(error, "tls-client-ca", o->tls_client_ca, "expected certificates in PEM");
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

/* ---- the context ---- */

/* A client that names protocols has to name ours. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *in, unsigned in_size, void *context)
{
    static const unsigned char ours[] = "\x0aholdfast/1";
    unsigned char *chosen;

    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void on_message(int is_ours, int version, int type, const void *bytes, size_t size,
                       SSL *ssl, void *context)
{
    struct tls *t = SSL_get_app_data(ssl);

    if (!is_ours && type == SSL3_RT_HANDSHAKE && size &&
        *(const uint8_t *)bytes == SSL3_MT_KEY_UPDATE)
        t->key_updates++;
}

static void set_up(SSL_CTX *ssl, const struct options *o)
{
    SSL_CTX_set_min_proto_version(ssl, o->tls_min_version ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_cipher_list(ssl, CIPHERS_12);
    SSL_CTX_set1_groups_list(ssl, GROUPS);
    SSL_CTX_set_security_level(ssl, 2);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_max_early_data(ssl, 0);
    SSL_CTX_set_recv_max_early_data(ssl, 0);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(ssl, choose_alpn, NULL);
    SSL_CTX_set_msg_callback(ssl, on_message);
}

struct tls_context *tls_context_new(const struct options *o, char *error)
{
    struct tls_context *context = calloc(1, sizeof *context);

    snprintf(error, OPTION_ERROR_BYTES, "out of memory for TLS");
    if (!context)
        return NULL;
    ERR_clear_error();
    context->ssl = SSL_CTX_new(TLS_server_method());
    if (context->ssl) {
        set_up(context->ssl, o);
        if (use_files(context->ssl, o, error))
            return context;
    }
    tls_context_free(context);
    return NULL;
}

void tls_context_free(struct tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ssl); /* connections have references of their own */
    free(context);
}

/* ---- a connection ---- */

struct tls *tls_new(struct tls_context *context)
{
    struct tls *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->ssl = SSL_new(context->ssl);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        BIO_free(t->in);
        BIO_free(t->out);
        SSL_free(t->ssl);
        free(t);
        return NULL;
    }
    BIO_set_mem_eof_return(t->in, -1);
    BIO_set_mem_eof_return(t->out, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_app_data(t->ssl, t);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    OPENSSL_cleanse(t->binding, sizeof t->binding);
    free(t);
}

bool tls_feed(struct tls *t, struct slice cipher)
{
    ASSERT(cipher.size && cipher.size <= INT_MAX);
    if (!t->is_open)
        t->fed += cipher.size;
    return BIO_write(t->in, cipher.data, (int)cipher.size) == (int)cipher.size;
}

static enum tls_result broken(struct tls *t, const char *what)
{
    if (!t->why[0])
        say(t->why, sizeof t->why, what);
    ERR_clear_error();
    return TLS_BROKEN;
}

static void note_open(struct tls *t)
{
    static const char exporter[] = "EXPORTER-Channel-Binding";

    t->is_open = true;
    t->has_binding =
        (SSL_version(t->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(t->ssl) == 1) &&
        SSL_export_keying_material(t->ssl, t->binding, sizeof t->binding, exporter,
                                   sizeof exporter - 1, (const unsigned char *)"", 0, 1) == 1;
}

/* Handshakes cost us more than the client: it may not make us do many. */
static enum tls_result look_at_updates(struct tls *t, size_t bytes)
{
    t->update_bytes += bytes;
    if (t->update_bytes >= MIB)
        t->update_bytes = t->key_updates = 0;
    if (t->key_updates <= TLS_KEY_UPDATES_MAX)
        return bytes ? TLS_DATA : TLS_WAITS;
    return broken(t, "too many key updates");
}

enum tls_result tls_read(struct tls *t, struct net_buffer *plain, size_t bytes_max)
{
    size_t room = bytes_max < RECORD_BYTES ? bytes_max : RECORD_BYTES;
    uint8_t *to = net_buffer_reserve(plain, room);
    size_t n = 0;
    int result;

    if (!to)
        return broken(t, "out of memory");
    ERR_clear_error();
    result = SSL_read_ex(t->ssl, to, room, &n);
    if (!t->is_open && SSL_is_init_finished(t->ssl))
        note_open(t);
    if (result == 1) {
        ASSERT(n <= room);
        plain->used += n;
        return look_at_updates(t, n);
    }
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        if (!t->is_open && t->fed > TLS_HANDSHAKE_BYTES_MAX)
            return broken(t, "the handshake is too large");
        return look_at_updates(t, 0);
    case SSL_ERROR_ZERO_RETURN: return TLS_ENDED;
    default: return broken(t, t->is_open ? "bad record" : "handshake failed");
    }
}

bool tls_write(struct tls *t, struct slice plain)
{
    size_t done = 0;

    ASSERT(t->is_open);
    ERR_clear_error();
    while (done < plain.size) {
        size_t n = 0;

        if (SSL_write_ex(t->ssl, plain.data + done, plain.size - done, &n) != 1) {
            broken(t, "cannot encrypt");
            return false;
        }
        done += n;
    }
    return true;
}

void tls_end(struct tls *t)
{
    if (t->is_open && !t->why[0])
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

void tls_take(struct tls *t, struct net_buffer *cipher)
{
    char *bytes;
    long size = BIO_get_mem_data(t->out, &bytes);

    if (size <= 0)
        return;
    net_buffer_append(cipher, bytes, (size_t)size);
    BIO_reset(t->out);
}

bool tls_is_open(const struct tls *t)
{
    return t->is_open;
}

const char *tls_why(const struct tls *t)
{
    return t->why;
}

struct slice tls_binding(const struct tls *t)
{
    return t->has_binding ? slice_make(t->binding, sizeof t->binding) : SLICE_NONE;
}
