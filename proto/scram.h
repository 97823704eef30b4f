/* scram.h - SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side and the client's.
 *
 *     client                                server
 *     n,,n=ann,r=CNONCE               -->
 *                                     <--   r=CNONCE SNONCE,s=SALT,i=ITERATIONS
 *     c=biws,r=...,p=PROOF            -->
 *                                     <--   v=SIGNATURE
 *
 * The server keeps a verifier, from which the password cannot be had but by guessing it; the
 * client learns from the signature that the server has the verifier. With a binding (-PLUS) both
 * also prove that they are the two ends of one TLS connection: what a man in the middle passes on
 * fails.
 *
 * Messages are text without a zero at the end. Passwords are bytes of UTF-8 as they are: 1 to
 * SCRAM_PASSWORD_BYTES_MAX of them, no control characters. */
#ifndef HOLDFAST_PROTO_SCRAM_H
#define HOLDFAST_PROTO_SCRAM_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define SCRAM_KEY_BYTES 32u
#define SCRAM_SALT_BYTES 16u
#define SCRAM_SALT_BYTES_MAX 64u
#define SCRAM_NONCE_BYTES 24u          /* of ours, in base64 */
#define SCRAM_NONCE_BYTES_MAX 128u     /* of the other side's */
#define SCRAM_NAME_BYTES_MAX 128u      /* of a user */
#define SCRAM_PASSWORD_BYTES_MAX 1024u
#define SCRAM_MESSAGE_BYTES_MAX 1024u
#define SCRAM_BINDING_BYTES_MAX 64u
#define SCRAM_ITERATIONS 15000u        /* of new verifiers */
#define SCRAM_ITERATIONS_MIN 4096u     /* a client does with no fewer */
#define SCRAM_ITERATIONS_MAX 10000000u /* nor with more: a server could keep it busy for ever */
#define SCRAM_VERIFIER_BYTES_MAX 256u  /* as text */

#define SCRAM_NAME "SCRAM-SHA-256"
#define SCRAM_NAME_PLUS "SCRAM-SHA-256-PLUS"

struct scram_verifier {
    uint32_t iterations;
    uint32_t salt_size;
    uint8_t salt[SCRAM_SALT_BYTES_MAX];
    uint8_t stored_key[SCRAM_KEY_BYTES];
    uint8_t server_key[SCRAM_KEY_BYTES];
};

enum scram_binding {
    SCRAM_UNBOUND, /* "n": the client cannot bind */
    SCRAM_UNUSED,  /* "y": it could, and thinks that the server cannot */
    SCRAM_EXPORTER /* "p=tls-exporter" (RFC 9266) */
};

struct scram_text {
    size_t size;
    char text[SCRAM_MESSAGE_BYTES_MAX];
};

/* One login, on either side: what was said so far. */
struct scram {
    enum scram_binding binding;
    size_t name_size;
    uint8_t name[SCRAM_NAME_BYTES_MAX];
    struct scram_text header; /* "n,," */
    struct scram_text bare;   /* client-first without it */
    struct scram_text first;  /* server-first */
    size_t nonce_size;
    char nonce[SCRAM_NONCE_BYTES_MAX + SCRAM_NONCE_BYTES + 1]; /* the client's; then both */
    uint8_t signature[SCRAM_KEY_BYTES];                        /* of the client: what it expects */
    uint64_t hashes; /* made with a key for it */
};

/* Whether a user may have that name: UTF-8 of 1 to SCRAM_NAME_BYTES_MAX bytes without control
 * characters, or characters that turn the direction of text. */
bool scram_name_is_good(struct slice name);
/* NULL, or what is wrong with the password, in words. */
const char *scram_password_fault(struct slice password);

/* ---- verifiers ---- */

/* false: the machine could not compute it. */
bool scram_verifier_make(struct slice password, struct slice salt, uint32_t iterations,
                         struct scram_verifier *out);
/* "SCRAM-SHA-256$15000:SALT$STOREDKEY:SERVERKEY", as PostgreSQL writes it. to has
 * SCRAM_VERIFIER_BYTES_MAX bytes; ends with a zero. */
void scram_verifier_write(const struct scram_verifier *v, char *to);
bool scram_verifier_read(struct slice text, struct scram_verifier *out);
/* The verifier of a user that does not exist: the same for the same secret and name, so that
 * nobody can tell the one from the other by asking twice. secret: SCRAM_KEY_BYTES. made grows by
 * the hashes that it took. */
void scram_verifier_mock(const uint8_t *secret, struct slice name, uint64_t *made,
                         struct scram_verifier *out);

/* ---- the server's side; false ends the login ---- */

/* Read client-first: s->name, s->binding. */
bool scram_read_client_first(struct scram *s, struct slice message);
/* random: 18 bytes. */
bool scram_write_server_first(struct scram *s, const struct scram_verifier *v,
                              const uint8_t *random);
/* Read client-final and check it. bound: of the TLS connection, for SCRAM_EXPORTER. to: the
 * server-final. */
bool scram_read_client_final(struct scram *s, const struct scram_verifier *v,
                             struct slice message, struct slice bound, struct scram_text *to);

/* ---- the client's side ---- */

/* The client-first is s->header and s->bare, one behind the other: to. random: 18 bytes. */
bool scram_write_client_first(struct scram *s, struct slice name, enum scram_binding binding,
                              const uint8_t *random, struct scram_text *to);
/* NULL, or what is wrong with the server-first, in words. keys: where the password's keys may be
 * kept for the next login (is_known: they are of this salt and count already); may not be NULL. */
struct scram_keys {
    bool is_known;
    uint32_t iterations, salt_size;
    uint8_t salt[SCRAM_SALT_BYTES_MAX];
    uint8_t client_key[SCRAM_KEY_BYTES];
    uint8_t server_key[SCRAM_KEY_BYTES];
};
const char *scram_write_client_final(struct scram *s, struct slice server_first,
                                     struct slice password, struct slice bound,
                                     struct scram_keys *keys, struct scram_text *to);
/* Whether the server has the verifier. */
bool scram_read_server_final(const struct scram *s, struct slice message);

/* Overwrite what must not stay in memory. */
void scram_wipe(void *bytes, size_t size);

#endif
