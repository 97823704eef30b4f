/* scram.c - see scram.h. */
#include "proto/scram.h"

#include "proto/msgpack.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

#define RANDOM_BYTES 18u /* 24 characters */

void scram_wipe(void *bytes, size_t size)
{
    OPENSSL_cleanse(bytes, size);
}

/* ---- base64 ---- */

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Characters put; to has room for them and a zero. */
static size_t base64_write(const uint8_t *from, size_t size, char *to)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i += 3) {
        uint32_t n = (uint32_t)from[i] << 16;

        n |= i + 1 < size ? (uint32_t)from[i + 1] << 8 : 0;
        n |= i + 2 < size ? from[i + 2] : 0;
        to[used++] = letters[n >> 18];
        to[used++] = letters[n >> 12 & 63];
        to[used++] = i + 1 < size ? letters[n >> 6 & 63] : '=';
        to[used++] = i + 2 < size ? letters[n & 63] : '=';
    }
    to[used] = '\0';
    return used;
}

static int letter_value(uint8_t c)
{
    const char *at = c ? strchr(letters, c) : NULL;

    return at ? (int)(at - letters) : -1;
}

/* Strict: whole groups, no bits left over. false: it is none, or does not fit. */
static bool base64_read(struct slice text, uint8_t *to, size_t room, size_t *used)
{
    *used = 0;
    if (text.size % 4)
        return false;
    for (size_t i = 0; i < text.size; i += 4) {
        bool last = i + 4 == text.size;
        unsigned pad = last ? (text.data[i + 3] == '=') + (text.data[i + 2] == '=') : 0;
        uint32_t n = 0;

        if (pad == 1 && text.data[i + 3] != '=')
            return false;
        for (unsigned k = 0; k < 4; k++) {
            int value = k >= 4 - pad ? 0 : letter_value(text.data[i + k]);

            if (value < 0)
                return false;
            n = n << 6 | (uint32_t)value;
        }
        if ((pad == 1 && n & 0xff) || (pad == 2 && n & 0xffff) || *used + 3 - pad > room)
            return false;
        for (unsigned k = 0; k < 3 - pad; k++)
            to[(*used)++] = (uint8_t)(n >> (16 - 8 * k));
    }
    return true;
}

static bool base64_read_key(struct slice text, uint8_t *key)
{
    size_t used;

    return base64_read(text, key, SCRAM_KEY_BYTES, &used) && used == SCRAM_KEY_BYTES;
}

/* ---- texts ---- */

static void text_add(struct scram_text *t, const void *bytes, size_t size)
{
    if (t->size + size > sizeof t->text) { /* as no text that is right can be */
        t->size = sizeof t->text + 1;
        return;
    }
    memcpy(t->text + t->size, bytes, size);
    t->size += size;
}

static void text_add_word(struct scram_text *t, const char *word)
{
    text_add(t, word, strlen(word));
}

static void text_add_base64(struct scram_text *t, const uint8_t *bytes, size_t size)
{
    char room[4 * ((SCRAM_BINDING_BYTES_MAX + SCRAM_SALT_BYTES_MAX + 32) / 3 + 1) + 1];

    if (size > sizeof room / 4 * 3 - 3)
        t->size = sizeof t->text + 1;
    else
        text_add(t, room, base64_write(bytes, size, room));
}

static bool text_is_whole(const struct scram_text *t)
{
    return t->size <= sizeof t->text;
}

static struct slice text_slice(const struct scram_text *t)
{
    return slice_make(t->text, t->size);
}

/* Take "k=value" up to the next comma off the text. false: that is not what comes next. */
static bool take_field(struct slice *rest, char key, struct slice *value)
{
    const uint8_t *comma;

    if (rest->size < 2 || rest->data[0] != key || rest->data[1] != '=')
        return false;
    rest->data += 2;
    rest->size -= 2;
    comma = memchr(rest->data, ',', rest->size);
    *value = slice_make(rest->data, comma ? (size_t)(comma - rest->data) : rest->size);
    rest->data += value->size + (comma != NULL);
    rest->size -= value->size + (comma != NULL);
    return true;
}

/* Printable ASCII without a comma. */
static bool is_nonce(struct slice nonce, size_t max)
{
    if (!nonce.size || nonce.size > max)
        return false;
    for (size_t i = 0; i < nonce.size; i++)
        if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e || nonce.data[i] == ',')
            return false;
    return true;
}

static bool read_count(struct slice text, uint32_t *out)
{
    *out = 0;
    if (!text.size || text.size > 8 || text.data[0] == '0')
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *out = *out * 10 + (text.data[i] - '0');
    }
    return true;
}

/* ---- names and passwords ---- */

/* Of a character that is written in so many bytes: C0, DEL, C1, and what turns the direction. */
static bool is_control(const uint8_t *at, size_t left)
{
    if (at[0] < 0x20 || at[0] == 0x7f)
        return true;
    if (left >= 2 && at[0] == 0xc2 && at[1] < 0xa0)
        return true;
    if (left < 3 || at[0] != 0xe2)
        return false;
    return (at[1] == 0x80 &&
            (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xaa && at[2] <= 0xae))) ||
           (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (is_control(text.data + i, text.size - i))
            return true;
    return false;
}

bool scram_name_is_good(struct slice name)
{
    return name.size && name.size <= SCRAM_NAME_BYTES_MAX && msgpack_text_is_utf8(name) &&
           !has_control(name) && name.data[0] != ' ' && name.data[name.size - 1] != ' ';
}

const char *scram_password_fault(struct slice password)
{
    if (!password.size)
        return "the password is empty";
    if (password.size > SCRAM_PASSWORD_BYTES_MAX)
        return "the password is longer than 1024 bytes";
    if (!msgpack_text_is_utf8(password))
        return "the password is not valid UTF-8";
    return has_control(password) ? "the password contains control characters" : NULL;
}

static void name_write(struct scram_text *to, struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '=')
            text_add_word(to, "=3D");
        else if (name.data[i] == ',')
            text_add_word(to, "=2C");
        else
            text_add(to, name.data + i, 1);
    }
}

static bool name_read(struct scram *s, struct slice text)
{
    s->name_size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];

        if (c == '=') {
            if (text.size - i < 3 ||
                (memcmp(text.data + i, "=2C", 3) != 0 && memcmp(text.data + i, "=3D", 3) != 0))
                return false;
            c = text.data[i + 1] == '2' ? ',' : '=';
            i += 2;
        }
        if (s->name_size == sizeof s->name)
            return false;
        s->name[s->name_size++] = c;
    }
    return scram_name_is_good(slice_make(s->name, s->name_size));
}

/* ---- keys ---- */

/* made: how many there have been. */
static bool hmac(uint64_t *made, const uint8_t *key, struct slice bytes, uint8_t *out)
{
    unsigned used = 0;

    ++*made;
    return HMAC(EVP_sha256(), key, SCRAM_KEY_BYTES, bytes.data, bytes.size, out, &used) &&
           used == SCRAM_KEY_BYTES;
}

static bool hmac_word(uint64_t *made, const uint8_t *key, const char *word, uint8_t *out)
{
    return hmac(made, key, slice_text(word), out);
}

static bool make_keys(struct slice password, struct slice salt, uint32_t iterations,
                      uint8_t *client_key, uint8_t *server_key)
{
    uint8_t salted[SCRAM_KEY_BYTES];
    uint64_t made = 0;
    bool ok = PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.size, salt.data,
                                (int)salt.size, (int)iterations, EVP_sha256(), sizeof salted,
                                salted) == 1;

    ok = ok && hmac_word(&made, salted, "Client Key", client_key) &&
         hmac_word(&made, salted, "Server Key", server_key);
    scram_wipe(salted, sizeof salted);
    return ok;
}

bool scram_verifier_make(struct slice password, struct slice salt, uint32_t iterations,
                         struct scram_verifier *out)
{
    uint8_t client_key[SCRAM_KEY_BYTES];
    bool ok = salt.size && salt.size <= sizeof out->salt &&
              make_keys(password, salt, iterations, client_key, out->server_key);

    if (!ok)
        return false;
    out->iterations = iterations;
    out->salt_size = (uint32_t)salt.size;
    memcpy(out->salt, salt.data, salt.size);
    SHA256(client_key, sizeof client_key, out->stored_key);
    scram_wipe(client_key, sizeof client_key);
    return true;
}

void scram_verifier_write(const struct scram_verifier *v, char *to)
{
    char salt[4 * (SCRAM_SALT_BYTES_MAX / 3 + 1) + 1], stored[48], server[48];

    base64_write(v->salt, v->salt_size, salt);
    base64_write(v->stored_key, SCRAM_KEY_BYTES, stored);
    base64_write(v->server_key, SCRAM_KEY_BYTES, server);
    snprintf(to, SCRAM_VERIFIER_BYTES_MAX, SCRAM_NAME "$%u:%s$%s:%s", v->iterations, salt,
             stored, server);
}

/* What stands before the sign; taken off the text with it. */
static bool take_until(struct slice *rest, char sign, struct slice *out)
{
    const uint8_t *at = rest->size ? memchr(rest->data, sign, rest->size) : NULL;

    if (!at)
        return false;
    *out = slice_make(rest->data, (size_t)(at - rest->data));
    rest->size -= out->size + 1;
    rest->data = at + 1;
    return true;
}

bool scram_verifier_read(struct slice text, struct scram_verifier *out)
{
    struct slice name, count, salt, stored;
    size_t used;

    memset(out, 0, sizeof *out);
    if (!take_until(&text, '$', &name) || !slice_equal(name, slice_text(SCRAM_NAME)) ||
        !take_until(&text, ':', &count) || !take_until(&text, '$', &salt) ||
        !take_until(&text, ':', &stored) || !read_count(count, &out->iterations) ||
        !base64_read(salt, out->salt, sizeof out->salt, &used))
        return false;
    out->salt_size = (uint32_t)used;
    return used >= 8 && out->iterations >= SCRAM_ITERATIONS_MIN &&
           out->iterations <= SCRAM_ITERATIONS_MAX &&
           base64_read_key(stored, out->stored_key) && base64_read_key(text, out->server_key);
}

void scram_verifier_mock(const uint8_t *secret, struct slice name, uint64_t *made,
                         struct scram_verifier *out)
{
    uint8_t of_name[SCRAM_KEY_BYTES], salt[SCRAM_KEY_BYTES];

    memset(out, 0, sizeof *out);
    out->iterations = SCRAM_ITERATIONS;
    out->salt_size = SCRAM_SALT_BYTES;
    if (!hmac(made, secret, name, of_name) || !hmac_word(made, of_name, "salt", salt) ||
        !hmac_word(made, of_name, "stored", out->stored_key) ||
        !hmac_word(made, of_name, "server", out->server_key))
        memset(salt, 0, sizeof salt);
    memcpy(out->salt, salt, SCRAM_SALT_BYTES);
}

/* ---- what both sides compute ---- */

/* client-first-bare "," server-first "," client-final without its proof */
static bool sign(struct scram *s, struct slice without_proof, const uint8_t *key, uint8_t *out)
{
    uint8_t all[3 * SCRAM_MESSAGE_BYTES_MAX + 2];
    struct slice parts[3] = {text_slice(&s->bare), text_slice(&s->first), without_proof};
    size_t used = 0;

    for (unsigned i = 0; i < 3; i++) {
        if (parts[i].size > SCRAM_MESSAGE_BYTES_MAX)
            return false;
        if (i)
            all[used++] = ',';
        memcpy(all + used, parts[i].data, parts[i].size);
        used += parts[i].size;
    }
    return hmac(&s->hashes, key, slice_make(all, used), out);
}

/* The field "c=": base64 of the header and, if it is bound, of that. */
static void binding_write(const struct scram *s, struct slice bound, struct scram_text *to)
{
    uint8_t all[SCRAM_BINDING_BYTES_MAX + 32];
    size_t size = s->header.size;

    to->size = 0;
    if (size > 32 || bound.size > SCRAM_BINDING_BYTES_MAX ||
        (s->binding == SCRAM_EXPORTER && !bound.size)) {
        to->size = sizeof to->text + 1;
        return;
    }
    memcpy(all, s->header.text, size);
    if (s->binding == SCRAM_EXPORTER) {
        memcpy(all + size, bound.data, bound.size);
        size += bound.size;
    }
    text_add_base64(to, all, size);
}

/* ---- the server's side ---- */

static bool read_header(struct scram *s, struct slice *rest)
{
    static const struct {
        const char *text;
        enum scram_binding binding;
    } headers[] = {
        {"n,,", SCRAM_UNBOUND}, {"y,,", SCRAM_UNUSED}, {"p=tls-exporter,,", SCRAM_EXPORTER}};

    for (unsigned i = 0; i < 3; i++) {
        size_t size = strlen(headers[i].text);

        if (rest->size < size || memcmp(rest->data, headers[i].text, size) != 0)
            continue;
        s->binding = headers[i].binding;
        text_add(&s->header, rest->data, size);
        rest->data += size;
        rest->size -= size;
        return true;
    }
    return false;
}

bool scram_read_client_first(struct scram *s, struct slice message)
{
    struct slice rest = message, name, nonce;

    memset(s, 0, sizeof *s);
    if (message.size > SCRAM_MESSAGE_BYTES_MAX || !read_header(s, &rest))
        return false;
    text_add(&s->bare, rest.data, rest.size);
    if (!take_field(&rest, 'n', &name) || !take_field(&rest, 'r', &nonce))
        return false; /* an extension that must be understood ("m=") stands before them */
    if (!is_nonce(nonce, SCRAM_NONCE_BYTES_MAX) || !name_read(s, name))
        return false;
    memcpy(s->nonce, nonce.data, nonce.size);
    s->nonce_size = nonce.size;
    return true;
}

bool scram_write_server_first(struct scram *s, const struct scram_verifier *v,
                              const uint8_t *random)
{
    char count[16];

    s->nonce_size += base64_write(random, RANDOM_BYTES, s->nonce + s->nonce_size);
    s->first.size = 0;
    text_add_word(&s->first, "r=");
    text_add(&s->first, s->nonce, s->nonce_size);
    text_add_word(&s->first, ",s=");
    text_add_base64(&s->first, v->salt, v->salt_size);
    snprintf(count, sizeof count, ",i=%u", v->iterations);
    text_add_word(&s->first, count);
    return text_is_whole(&s->first);
}

/* Whether the proof is one of the client key whose hash is kept. All of it is computed whatever is
 * wrong, in the same time. */
static bool proof_is_right(struct scram *s, const struct scram_verifier *v,
                           struct slice without_proof, const uint8_t *proof)
{
    uint8_t key[SCRAM_KEY_BYTES], hash[SCRAM_KEY_BYTES];
    bool ok = sign(s, without_proof, v->stored_key, key);

    for (unsigned i = 0; i < SCRAM_KEY_BYTES; i++)
        key[i] ^= proof[i];
    SHA256(key, sizeof key, hash);
    ok = CRYPTO_memcmp(hash, v->stored_key, sizeof hash) == 0 && ok;
    scram_wipe(key, sizeof key);
    return ok;
}

bool scram_read_client_final(struct scram *s, const struct scram_verifier *v,
                             struct slice message, struct slice bound, struct scram_text *to)
{
    struct slice rest = message, given, nonce, proof_text, without_proof;
    struct scram_text expected;
    uint8_t proof[SCRAM_KEY_BYTES], signature[SCRAM_KEY_BYTES];

    binding_write(s, bound, &expected);
    if (message.size > SCRAM_MESSAGE_BYTES_MAX || !text_is_whole(&expected) ||
        !take_field(&rest, 'c', &given) || !take_field(&rest, 'r', &nonce))
        return false;
    without_proof = slice_make(message.data, (size_t)(nonce.data + nonce.size - message.data));
    if (!take_field(&rest, 'p', &proof_text) ||
        proof_text.data + proof_text.size !=
            message.data + message.size || /* not even a comma */
        !base64_read_key(proof_text, proof) ||
        !slice_equal(given, text_slice(&expected)) ||
        !slice_equal(nonce, slice_make(s->nonce, s->nonce_size)))
        return false;
    if (!proof_is_right(s, v, without_proof, proof) ||
        !sign(s, without_proof, v->server_key, signature))
        return false;
    to->size = 0;
    text_add_word(to, "v=");
    text_add_base64(to, signature, sizeof signature);
    return text_is_whole(to);
}

/* ---- the client's side ---- */

bool scram_write_client_first(struct scram *s, struct slice name, enum scram_binding binding,
                              const uint8_t *random, struct scram_text *to)
{
    static const char *const headers[] = {"n,,", "y,,", "p=tls-exporter,,"};

    memset(s, 0, sizeof *s);
    if (!scram_name_is_good(name))
        return false;
    s->binding = binding;
    text_add_word(&s->header, headers[binding]);
    s->nonce_size = base64_write(random, RANDOM_BYTES, s->nonce);
    text_add_word(&s->bare, "n=");
    name_write(&s->bare, name);
    text_add_word(&s->bare, ",r=");
    text_add(&s->bare, s->nonce, s->nonce_size);
    to->size = 0;
    text_add(to, s->header.text, s->header.size);
    text_add(to, s->bare.text, s->bare.size);
    return text_is_whole(to);
}

/* What is wrong with the server-first; NULL: nothing, and keys have its salt and count. */
static const char *read_server_first(struct scram *s, struct slice message,
                                     struct scram_keys *keys)
{
    struct slice rest = message, nonce, salt_text, count;
    uint8_t salt[SCRAM_SALT_BYTES_MAX];
    size_t salt_size;
    uint32_t iterations;

    if (message.size > SCRAM_MESSAGE_BYTES_MAX || !take_field(&rest, 'r', &nonce) ||
        !take_field(&rest, 's', &salt_text) || !take_field(&rest, 'i', &count) ||
        !is_nonce(nonce, sizeof s->nonce - 1) ||
        !base64_read(salt_text, salt, sizeof salt, &salt_size) || !salt_size ||
        !read_count(count, &iterations))
        return "its first message is malformed";
    if (nonce.size <= s->nonce_size || memcmp(nonce.data, s->nonce, s->nonce_size) != 0)
        return "its nonce does not extend ours";
    if (iterations < SCRAM_ITERATIONS_MIN)
        return "it asks for fewer than 4096 iterations";
    if (iterations > SCRAM_ITERATIONS_MAX)
        return "it asks for too many iterations";
    memcpy(s->nonce, nonce.data, nonce.size);
    s->nonce_size = nonce.size;
    s->first.size = 0;
    text_add(&s->first, message.data, message.size);
    if (keys->iterations != iterations || keys->salt_size != salt_size ||
        memcmp(keys->salt, salt, salt_size) != 0)
        keys->is_known = false;
    keys->iterations = iterations;
    keys->salt_size = (uint32_t)salt_size;
    memcpy(keys->salt, salt, salt_size);
    return NULL;
}

const char *scram_write_client_final(struct scram *s, struct slice server_first,
                                     struct slice password, struct slice bound,
                                     struct scram_keys *keys, struct scram_text *to)
{
    uint8_t stored_key[SCRAM_KEY_BYTES], proof[SCRAM_KEY_BYTES];
    struct scram_text binding;
    struct slice without_proof;
    const char *why = read_server_first(s, server_first, keys);

    if (why)
        return why;
    if (!keys->is_known)
        keys->is_known = make_keys(password, slice_make(keys->salt, keys->salt_size),
                                   keys->iterations, keys->client_key, keys->server_key);
    binding_write(s, bound, &binding);
    to->size = 0;
    text_add_word(to, "c=");
    text_add(to, binding.text, text_is_whole(&binding) ? binding.size : 0);
    text_add_word(to, ",r=");
    text_add(to, s->nonce, s->nonce_size);
    without_proof = text_slice(to);
    if (!keys->is_known || !text_is_whole(&binding) || !text_is_whole(to))
        return "the keys could not be computed";
    SHA256(keys->client_key, SCRAM_KEY_BYTES, stored_key);
    if (!sign(s, without_proof, stored_key, proof) ||
        !sign(s, without_proof, keys->server_key, s->signature))
        return "the keys could not be computed";
    for (unsigned i = 0; i < SCRAM_KEY_BYTES; i++)
        proof[i] ^= keys->client_key[i];
    text_add_word(to, ",p=");
    text_add_base64(to, proof, sizeof proof);
    return NULL;
}

bool scram_read_server_final(const struct scram *s, struct slice message)
{
    uint8_t signature[SCRAM_KEY_BYTES];
    struct slice value;

    return take_field(&message, 'v', &value) && base64_read_key(value, signature) &&
           CRYPTO_memcmp(signature, s->signature, sizeof signature) == 0;
}
