#include "client/lib/secure.h"
#include "client/lib/clock.h"
#include "client/lib/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RECORD_BYTES 16384
#define BINDING_BYTES 32

struct secure {
    int fd; /* borrowed */
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    size_t sealed; /* of what is to be sent, bytes that are encrypted already */
    uint8_t binding[BINDING_BYTES];
    uint8_t piece[RECORD_BYTES];
};

enum secure_mode { MODE_OFF, MODE_REQUIRE, MODE_VERIFY_CA, MODE_VERIFY_FULL, MODE_COUNT };

static enum secure_mode mode_of(const char *mode)
{
    static const char *const modes[] = {"off", "require", "verify-ca", "verify-full"};
    unsigned i = 0;

    while (i < MODE_COUNT && strcmp(mode, modes[i]) != 0)
        i++;
    return (enum secure_mode)i;
}

const char *secure_mode_fault(const char *mode, bool *is_on)
{
    enum secure_mode m = mode_of(mode);

    *is_on = m != MODE_OFF;
    return m < MODE_COUNT ? NULL : "expected off, require, verify-ca or verify-full";
}

static int refuse(struct hf_error *error, int code, const char *what, const char *detail)
{
    unsigned long number = ERR_peek_last_error();
    const char *reason = number ? ERR_reason_error_string(number) : NULL;

    error_set(error, code, "TLS: %s%s%s%s%s", what, detail ? " " : "", detail ? detail : "",
              reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
    return code;
}

/* ---- setting up ---- */

/* A key with a passphrase is refused, not asked for. */
static int no_passphrase(char *to, int size, int rwflag, void *context)
{
    return 0;
}

static int use_files(SSL_CTX *context, const struct hf_open_options *o, struct hf_error *error)
{
    bool trusts = o->tls_ca ? SSL_CTX_load_verify_file(context, o->tls_ca) == 1
                            : SSL_CTX_set_default_verify_paths(context) == 1;

    if (!trusts)
        return refuse(error, HF_MISUSE, "cannot read the certificates of", o->tls_ca);
    if (!o->tls_certificate)
        return HF_OK;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, o->tls_certificate) != 1)
        return refuse(error, HF_MISUSE, "cannot read the certificate", o->tls_certificate);
    if (SSL_CTX_use_PrivateKey_file(context, o->tls_key ? o->tls_key : o->tls_certificate,
                                    SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return refuse(error, HF_MISUSE, "cannot use the key of the certificate", o->tls_key);
    return HF_OK;
}

static bool is_ip(const char *host)
{
    uint8_t ignored[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, ignored) == 1 || inet_pton(AF_INET6, host, ignored) == 1;
}

/* Whose certificate is expected. */
static bool expect(SSL *ssl, enum secure_mode mode, const char *name)
{
    if (!is_ip(name) && SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    if (mode != MODE_VERIFY_FULL)
        return true;
    if (is_ip(name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1;
}

static int set_up(struct secure *s, const struct hf_open_options *o, const char *host,
                  struct hf_error *error)
{
    static const unsigned char alpn[] = "\x0aholdfast/1";
    enum secure_mode mode = mode_of(o->tls);
    int e;

    s->context = SSL_CTX_new(TLS_client_method());
    if (!s->context)
        return refuse(error, HF_MEMORY, "out of memory", NULL);
    SSL_CTX_set_min_proto_version(s->context, TLS1_2_VERSION);
    SSL_CTX_set_options(s->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_verify(s->context, mode >= MODE_VERIFY_CA ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       NULL);
    e = use_files(s->context, o, error);
    if (e)
        return e;
    s->ssl = SSL_new(s->context);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    if (!s->ssl || !s->in || !s->out) {
        BIO_free(s->in);
        BIO_free(s->out);
        return refuse(error, HF_MEMORY, "out of memory", NULL);
    }
    BIO_set_mem_eof_return(s->in, -1);
    BIO_set_mem_eof_return(s->out, -1);
    SSL_set_bio(s->ssl, s->in, s->out);
    SSL_set_connect_state(s->ssl);
    SSL_set_alpn_protos(s->ssl, alpn, sizeof alpn - 1);
    if (!expect(s->ssl, mode, o->tls_name ? o->tls_name : host))
        return refuse(error, HF_MISUSE, "cannot verify the host name", host);
    return HF_OK;
}

/* ---- moving bytes ---- */

/* Give the socket what it takes. false: some is left, and errno says why. */
static bool flush(struct secure *s)
{
    char *bytes;
    long left;

    while ((left = BIO_get_mem_data(s->out, &bytes)) > 0) {
        ssize_t n = send(s->fd, bytes, (size_t)left, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        for (size_t gone = 0; gone < (size_t)n;) { /* take off what has gone */
            uint8_t ignored[4096];
            size_t want = (size_t)n - gone < sizeof ignored ? (size_t)n - gone : sizeof ignored;

            gone += (size_t)BIO_read(s->out, ignored, (int)want);
        }
    }
    return true;
}

/* As recv, into the SSL. */
static ssize_t fill(struct secure *s, int flags)
{
    ssize_t n = recv(s->fd, s->piece, sizeof s->piece, flags);

    if (n > 0 && BIO_write(s->in, s->piece, (int)n) != (int)n) {
        errno = ENOMEM;
        return -1;
    }
    return n;
}

ssize_t secure_send(struct secure *s, const void *bytes, size_t size)
{
    size_t n = 0;

    if (!flush(s))
        return -1;
    if (!s->sealed) {
        ERR_clear_error();
        if (SSL_write_ex(s->ssl, bytes, size < RECORD_BYTES ? size : RECORD_BYTES, &n) != 1) {
            errno = EPROTO;
            return -1;
        }
        s->sealed = n;
        if (!flush(s))
            return -1; /* asked again, the same bytes are not encrypted once more */
    }
    n = s->sealed;
    s->sealed = 0;
    return (ssize_t)n;
}

ssize_t secure_receive(struct secure *s, void *to, size_t room, int flags)
{
    for (;;) {
        size_t n = 0;
        ssize_t got;
        int result, e;

        ERR_clear_error();
        result = SSL_read_ex(s->ssl, to, room, &n);
        if (result == 1)
            return (ssize_t)n;
        e = SSL_get_error(s->ssl, result);
        if (e == SSL_ERROR_ZERO_RETURN)
            return 0;
        if (e != SSL_ERROR_WANT_READ) {
            errno = EPROTO;
            return -1;
        }
        flush(s);
        got = fill(s, flags);
        if (got <= 0)
            return got;
    }
}

bool secure_has_more(const struct secure *s)
{
    return SSL_pending(s->ssl) > 0 || BIO_pending(s->in) > 0;
}

struct slice secure_binding(const struct secure *s)
{
    return slice_make(s->binding, sizeof s->binding);
}

/* ---- the handshake ---- */

static int wait_for(struct secure *s, uint64_t until_ms, struct hf_error *error)
{
    struct pollfd ready = {.fd = s->fd, .events = POLLIN};
    int count;

    if (BIO_pending(s->out) > 0)
        ready.events |= POLLOUT;
    count = poll(&ready, 1, clock_left_ms(until_ms));
    if (count < 0 && errno != EINTR)
        return error_set(error, HF_CONNECTION, "TLS: %s", strerror(errno));
    return count ? HF_OK
                 : error_set(error, HF_CONNECTION,
                             "TLS: no handshake within the connect timeout");
}

static int failed(struct secure *s, struct hf_error *error)
{
    long verified = SSL_get_verify_result(s->ssl);

    if (SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE && verified != X509_V_OK) {
        ERR_clear_error();
        return error_set(error, HF_CONNECTION,
                         "TLS: the certificate of the server was "
                         "rejected: %s",
                         X509_verify_cert_error_string(verified));
    }
    return refuse(error, HF_CONNECTION, "the handshake failed", NULL);
}

static int shake_hands(struct secure *s, uint64_t until_ms, struct hf_error *error)
{
    for (;;) {
        int result, e = HF_OK;
        ssize_t n;

        ERR_clear_error();
        result = SSL_do_handshake(s->ssl);
        if (result != 1 && SSL_get_error(s->ssl, result) != SSL_ERROR_WANT_READ) {
            e = failed(s, error);
            flush(s); /* the alert */
            return e;
        }
        if (!flush(s) && errno != EAGAIN)
            return error_set(error, HF_CONNECTION, "TLS: %s", strerror(errno));
        if (result == 1 && BIO_pending(s->out) == 0)
            return HF_OK;
        n = result == 1 ? 1 : fill(s, MSG_DONTWAIT);
        if (n == 0)
            return error_set(
                error, HF_CONNECTION,
                "TLS: the server closed the connection during the handshake; is it a TLS "
                "address?");
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return error_set(error, HF_CONNECTION, "TLS: %s", strerror(errno));
        if (n < 0 || result == 1)
            e = wait_for(s, until_ms, error);
        if (e)
            return e;
    }
}

int secure_open(int fd, const struct hf_open_options *options, const char *host,
                uint64_t until_ms, struct secure **out, struct hf_error *error)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    struct secure *s = calloc(1, sizeof *s);
    int e;

    *out = NULL;
    if (!s)
        return error_set(error, HF_MEMORY, "out of memory for TLS");
    s->fd = fd;
    ERR_clear_error();
    e = set_up(s, options, host, error);
    if (!e)
        e = shake_hands(s, until_ms, error);
    if (!e &&
        SSL_export_keying_material(s->ssl, s->binding, sizeof s->binding, label,
                                   sizeof label - 1, (const unsigned char *)"", 0, 1) != 1)
        e = refuse(error, HF_CONNECTION, "cannot derive the keys for the login", NULL);
    if (e) {
        s->fd = -1;
        secure_close(s);
        return e;
    }
    *out = s;
    return HF_OK;
}

void secure_close(struct secure *s)
{
    if (!s)
        return;
    if (s->fd >= 0 && s->ssl) {
        SSL_shutdown(s->ssl);
        flush(s);
    }
    ERR_clear_error();
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
    OPENSSL_cleanse(s->binding, sizeof s->binding);
    free(s);
}
