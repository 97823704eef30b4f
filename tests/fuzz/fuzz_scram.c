/* fuzz_scram.c - any bytes as messages of a login, on both sides, and as verifiers. The oracle is
 * ourselves: what is not the right message lets nobody in, and a verifier that is read is written
 * and read the same. */
#include "fuzz.h"

#include "proto/scram.h"

static const char bound[] = "0123456789abcdef0123456789abcdef";

/* A login whose next message is the client's last one; the right one is in final. */
static void begin(struct scram *server, struct scram_verifier *v, struct scram_text *final)
{
    static struct scram_keys keys; /* the same each time: made once, as that is */
    static struct scram_verifier made;
    uint8_t random[18] = {1}, salt[SCRAM_SALT_BYTES] = {2};
    struct scram client;
    struct scram_text first;

    FUZZ_CHECK(
        scram_write_client_first(&client, slice_text("ann"), SCRAM_EXPORTER, random, &first));
    FUZZ_CHECK(scram_read_client_first(server, slice_make(first.text, first.size)));
    FUZZ_CHECK(
        made.iterations ||
        scram_verifier_make(slice_text("pencil"), slice_make(salt, sizeof salt), 4096, &made));
    *v = made;
    FUZZ_CHECK(scram_write_server_first(server, v, random));
    FUZZ_CHECK(
        !scram_write_client_final(&client, slice_make(server->first.text, server->first.size),
                                  slice_text("pencil"), slice_text(bound), &keys, final));
}

void fuzz_seed(struct dice *d, struct buffer *out)
{
    static const char *const seeds[] = {
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "p=tls-exporter,,n=a=2Cb=3D,r=abcdefgh",
        "r=abcx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ("SCRAM-SHA-256$4096:AAECAwQFBgc=$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:"
         "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=")};
    struct scram_verifier v;
    struct scram_text final;
    struct scram server;
    uint64_t n = dice_below(d, 6);

    if (n < 5) {
        buffer_put(out, seeds[n], strlen(seeds[n]));
        return;
    }
    begin(&server, &v, &final);
    buffer_put(out, final.text, final.size);
}

static void as_verifier(struct slice text)
{
    struct scram_verifier v, again;
    char written[SCRAM_VERIFIER_BYTES_MAX];

    if (!scram_verifier_read(text, &v))
        return;
    scram_verifier_write(&v, written);
    FUZZ_CHECK(scram_verifier_read(slice_text(written), &again));
    FUZZ_CHECK(memcmp(&v, &again, sizeof v) == 0);
}

static void as_last_message(struct slice bytes)
{
    struct scram_verifier v;
    struct scram_text final, answer;
    struct scram server;
    bool is_right;

    begin(&server, &v, &final);
    is_right = slice_equal(bytes, slice_make(final.text, final.size));
    FUZZ_CHECK(scram_read_client_final(&server, &v, bytes, slice_text(bound), &answer) ==
               is_right);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = exact_copy(slice_make(data, size)), random[18] = {3};
    struct slice whole = slice_make(bytes, size);
    struct scram_keys keys = {.is_known = false};
    struct scram_text out;
    struct scram s;

    if (scram_read_client_first(&s, whole))
        FUZZ_CHECK(scram_name_is_good(slice_make(s.name, s.name_size)));
    as_verifier(whole);
    FUZZ_CHECK(scram_write_client_first(&s, slice_text("ann"), SCRAM_UNBOUND, random, &out));
    scram_write_client_final(&s, whole, slice_text("pencil"), SLICE_NONE, &keys, &out);
    FUZZ_CHECK(!scram_read_server_final(&s, whole));
    scram_name_is_good(whole);
    scram_password_fault(whole);
    as_last_message(whole);
    free(bytes);
    return 0;
}
