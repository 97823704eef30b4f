#include "client/lib/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define RANDOM_BYTES 18u

/* One message to the server and its answer. */
static int say(struct hf_conn *c, const char *method, const char *mechanism,
               const struct scram_text *message, struct scram_text *answer,
               struct hf_error *error)
{
    struct hf_pack *p = hf_call_begin(c, method, mechanism ? 2 : 1);
    struct hf_reply *reply;
    struct hf_bytes text;
    int e;

    if (mechanism)
        hf_pack_text(p, mechanism);
    hf_pack_text_bytes(p, (struct hf_bytes){message->text, message->size});
    e = hf_call_end(c, &reply);
    if (e == HF_OK)
        e = hf_wait(reply);
    if (e) {
        *error = *hf_conn_error(c);
        error->details = HF_NONE;
    } else if (hf_read_text(hf_reply_result(reply), &text) != HF_OK ||
               text.size > sizeof answer->text) {
        e = error_set(error, HF_PROTOCOL, "%s sent an unexpected result of %s", c->address,
                      method);
    } else {
        memcpy(answer->text, text.data, text.size);
        answer->size = text.size;
    }
    hf_reply_free(reply);
    return e;
}

static int not_proven(struct hf_conn *c, struct hf_error *error, const char *why)
{
    error_set(error, HF_AUTH_FAILED, "%s failed to authenticate itself: %s", c->address, why);
    snprintf(error->name, sizeof error->name, "AUTH_FAILED");
    snprintf(error->class_name, sizeof error->class_name, "auth");
    return HF_AUTH_FAILED;
}

static struct slice text_of(const struct scram_text *t)
{
    return slice_make(t->text, t->size);
}

static int exchange(struct hf_conn *c, struct hf_error *error)
{
    struct identity *who = &c->identity;
    struct slice bound = c->secure ? secure_binding(c->secure) : SLICE_NONE;
    enum scram_binding binding = c->secure ? SCRAM_EXPORTER : SCRAM_UNBOUND;
    struct scram_text message, answer;
    uint8_t random[RANDOM_BYTES];
    struct scram s;
    const char *why;
    int e;

    if (getrandom(random, sizeof random, 0) != sizeof random ||
        !scram_write_client_first(&s, slice_text(who->user), binding, random, &message))
        return error_set(
            error, HF_MISUSE,
            "invalid user name; expected 1 to %u bytes of text without control characters",
            SCRAM_NAME_BYTES_MAX);
    e = say(c, "login_begin", c->secure ? SCRAM_NAME_PLUS : SCRAM_NAME, &message, &answer,
            error);
    if (e)
        return e;
    why = scram_write_client_final(&s, text_of(&answer), slice_text(who->password), bound,
                                   &who->keys, &message);
    if (why)
        return not_proven(c, error, why);
    e = say(c, "login_end", NULL, &message, &answer, error);
    if (e)
        return e;
    return scram_read_server_final(&s, text_of(&answer))
               ? HF_OK
               : not_proven(c, error, "its signature is wrong");
}

int login_perform(struct hf_conn *c, struct hf_error *error)
{
    int timeout_ms = c->options.timeout_ms, e;

    if (!c->identity.user)
        return HF_OK;
    if (!c->identity.password)
        return error_set(error, HF_MISUSE, "a user was given without a password");
    c->options.timeout_ms = c->options.connect_timeout_ms;
    e = exchange(c, error);
    c->options.timeout_ms = timeout_ms;
    if (e)
        connection_lose(c, HF_CONNECTION, "the login to %s failed", c->address);
    return e;
}

int hf_password_verifier(const char *password, char *verifier, size_t room)
{
    uint8_t salt[SCRAM_SALT_BYTES];
    struct scram_verifier v;
    char text[SCRAM_VERIFIER_BYTES_MAX];

    if (scram_password_fault(slice_text(password)))
        return HF_MISUSE;
    if (getrandom(salt, sizeof salt, 0) != sizeof salt ||
        !scram_verifier_make(slice_text(password), slice_make(salt, sizeof salt),
                             SCRAM_ITERATIONS, &v))
        return HF_MEMORY;
    scram_verifier_write(&v, text);
    scram_wipe(&v, sizeof v);
    if (strlen(text) >= room)
        return HF_OUT_OF_RANGE;
    memcpy(verifier, text, strlen(text) + 1);
    return HF_OK;
}

const char *hf_password_fault(const char *password)
{
    return scram_password_fault(slice_text(password));
}
