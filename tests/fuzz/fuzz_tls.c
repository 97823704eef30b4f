/* fuzz_tls.c - any bytes as what befalls a TLS connection of the server: a client that is right,
 * bytes that are held back, cut, changed, doubled, left out, or that no client has made.
 *
 * The input is a mode, and steps of STEP_BYTES: what happens, and three choices. The oracle: what
 * the server has read is a beginning of what the client has written, and all of it where nothing
 * was spoiled; nothing is read before the handshake is done; a client whose bytes were spoiled
 * reads no other answer than the server's; what waits is bounded; every byte of memory comes back.
 * (What the two libraries draw at random is another each time, and no fact depends on it.) */
#define FUZZ_SHARE 20
#include "fuzz.h"

#include "tests/unit/tls_rig.h"

#define STEP_BYTES 4
#define STEPS_MAX 200
#define SENT_MAX (1u << 20)
#define OUT_MAX (192u << 10) /* answers of the library and of ours, beside what is told here */

enum mode { MODE_TAKES_12 = 1, MODE_ONLY_12 = 2, MODE_NO_CLIENT = 4, MODE_OPEN = 8 };

enum step_kind {
    STEP_CLIENT,
    STEP_SETTLE,
    STEP_WRITE,
    STEP_DELIVER,
    STEP_CHANGE,
    STEP_CUT,
    STEP_DOUBLE,
    STEP_RAW,
    STEP_UPDATE,
    STEP_SHUT,
    STEP_ANSWER,
    STEP_SWAP,
    STEP_EOF,
    STEP_KINDS
};

struct fuzz_tls {
    struct tls_rig *rig;
    struct buffer answers; /* what the server has written */
    bool is_spoiled;       /* what the client has made is not what arrives */
    bool has_eof;
};

static uint8_t pattern[70000];

static void write_some(struct fuzz_tls *f, const uint8_t *step)
{
    size_t size = (size_t)step[1] << (step[2] % 9), at = step[3];

    if (f->rig->sent.size < SENT_MAX && size <= 65280)
        tls_rig_client_write(f->rig, slice_make(pattern + at, size));
}

static void answer_some(struct fuzz_tls *f, const uint8_t *step)
{
    struct net_buffer plain = NET_BUFFER_EMPTY;
    size_t size = 1 + ((size_t)step[1] << (step[2] % 9));

    if (!transport_is_open(&f->rig->server) || f->rig->result > TLS_DATA ||
        f->answers.size > SENT_MAX || size > 65280)
        return;
    net_buffer_append(&plain, pattern + step[3], size);
    if (transport_seal(&f->rig->server, slice_make(plain.data, plain.used)))
        buffer_put(&f->answers, pattern + step[3], size);
    net_buffer_fini(&plain);
    tls_rig_answer(f->rig);
}

static void spoil(struct fuzz_tls *f, const uint8_t *step)
{
    struct buffer *b = &f->rig->to_server;
    size_t at = b->size ? (step[1] * 256u + step[2]) % b->size : 0, size;

    if (!b->size)
        return;
    f->is_spoiled = true;
    size = 1 + step[3] % (b->size - at);
    switch (step[0] % STEP_KINDS) {
    case STEP_CHANGE: b->data[at] ^= (uint8_t)(step[3] ? step[3] : 1); break;
    case STEP_CUT:
        memmove(b->data + at, b->data + at + size, b->size - at - size);
        b->size -= size;
        break;
    case STEP_SWAP:
        for (size_t i = 0; i < size / 2; i++) {
            uint8_t byte = b->data[at + i];

            b->data[at + i] = b->data[at + size - 1 - i];
            b->data[at + size - 1 - i] = byte;
        }
        break;
    default: {
        uint8_t *copy = exact_copy(slice_make(b->data + at, size));

        buffer_put(b, copy, size);
        free(copy);
    }
    }
}

/* Bytes of the input as they are. */
static void put_raw(struct fuzz_tls *f, struct slice *input, const uint8_t *step)
{
    size_t size = step[1] < input->size ? step[1] : input->size;

    if (!size)
        return;
    f->is_spoiled = true;
    buffer_put(&f->rig->to_server, input->data, size);
    *input = slice_make(input->data + size, input->size - size);
}

static void shut(struct fuzz_tls *f)
{
    if (!f->rig->client_failed && SSL_is_init_finished(f->rig->client))
        SSL_shutdown(f->rig->client);
    tls_rig_collect(f->rig);
}

static void end_input(struct fuzz_tls *f)
{
    struct tls_rig *rig = f->rig;

    f->has_eof = rig->server.eof = true;
    if (rig->result <= TLS_DATA)
        rig->result = transport_read(&rig->server, &rig->plain, SENT_MAX, &rig->why);
    FUZZ_CHECK(rig->result != TLS_WAITS);
}

static void step(struct fuzz_tls *f, const uint8_t *step, struct slice *input)
{
    struct tls_rig *rig = f->rig;

    switch ((enum step_kind)(step[0] % STEP_KINDS)) {
    case STEP_CLIENT: tls_rig_client_step(rig); break;
    case STEP_SETTLE: tls_rig_settle(rig); break;
    case STEP_WRITE: write_some(f, step); break;
    case STEP_DELIVER: tls_rig_deliver(rig, 1 + ((size_t)step[1] << (step[2] % 8))); break;
    case STEP_RAW: put_raw(f, input, step); break;
    case STEP_UPDATE:
        if (SSL_version(rig->client) == TLS1_3_VERSION && SSL_is_init_finished(rig->client))
            SSL_key_update(rig->client, step[1] & 1 ? SSL_KEY_UPDATE_REQUESTED
                                                    : SSL_KEY_UPDATE_NOT_REQUESTED);
        break;
    case STEP_SHUT: shut(f); break;
    case STEP_ANSWER: answer_some(f, step); break;
    case STEP_EOF: end_input(f); break;
    default: spoil(f, step);
    }
}

static bool begins_with(const struct buffer *whole, const void *bytes, size_t size)
{
    return size <= whole->size && (!size || memcmp(whole->data, bytes, size) == 0);
}

static void check(struct fuzz_tls *f)
{
    struct tls_rig *rig = f->rig;

    FUZZ_CHECK(begins_with(&rig->sent, rig->plain.data, rig->plain.used));
    FUZZ_CHECK(begins_with(&f->answers, rig->got.data, rig->got.size));
    FUZZ_CHECK(transport_is_open(&rig->server) || !rig->plain.used);
    FUZZ_CHECK(rig->server.out.used <= OUT_MAX);
    FUZZ_CHECK(rig->server.taken <= rig->server.in.used);
    if (rig->result == TLS_BROKEN)
        FUZZ_CHECK(rig->why && rig->why[0]);
}

/* At the end all that is on its way arrives. */
static void finish(struct fuzz_tls *f)
{
    struct tls_rig *rig = f->rig;

    tls_rig_settle(rig);
    check(f);
    if (!f->is_spoiled && !f->has_eof && rig->result <= TLS_DATA) {
        FUZZ_CHECK(rig->plain.used == rig->sent.size);
        FUZZ_CHECK(rig->got.size == f->answers.size);
    }
    if (!f->has_eof)
        end_input(f);
    transport_end(&rig->server);
    check(f);
}

static struct tls_rig *rig_of(unsigned mode)
{
    static struct tls_rig rigs[3];
    static bool is_open[3];
    unsigned which = mode & MODE_TAKES_12 ? 1 + (mode & MODE_ONLY_12 ? 1 : 0) : 0;

    if (is_open[which])
        tls_rig_connect(&rigs[which], NULL);
    else
        tls_rig_open(&rigs[which], which > 0, which > 1);
    is_open[which] = true;
    return &rigs[which];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make(data, size);
    unsigned mode = size ? data[0] : 0, steps = 0;
    struct fuzz_tls f = {.rig = rig_of(mode)};

    if (!pattern[1])
        for (size_t i = 0; i < sizeof pattern; i++)
            pattern[i] = (uint8_t)(i * 7 + i / 251);
    if (mode & MODE_OPEN && !(mode & MODE_NO_CLIENT))
        tls_rig_settle(f.rig);
    if (size)
        input = slice_make(data + 1, size - 1);
    if (mode & MODE_NO_CLIENT && input.size) {
        f.is_spoiled = true;
        buffer_put(&f.rig->to_server, input.data, input.size);
        tls_rig_deliver(f.rig, SIZE_MAX);
        input.size = 0;
    }
    while (input.size >= STEP_BYTES && steps++ < STEPS_MAX) {
        uint8_t one[STEP_BYTES];

        memcpy(one, input.data, STEP_BYTES);
        input = slice_make(input.data + STEP_BYTES, input.size - STEP_BYTES);
        step(&f, one, &input);
        check(&f);
    }
    finish(&f);
    buffer_fini(&f.answers);
    return 0;
}

void fuzz_seed(struct dice *d, struct buffer *out)
{
    static const uint8_t likely[] = {STEP_SETTLE,  STEP_SETTLE,  STEP_WRITE,  STEP_WRITE,
                                     STEP_DELIVER, STEP_DELIVER, STEP_ANSWER, STEP_UPDATE,
                                     STEP_CHANGE,  STEP_CUT,     STEP_SHUT,   STEP_CLIENT};
    unsigned steps = 2 + (unsigned)dice_below(d, 30);

    buffer_put_byte(out, (uint8_t)(dice_below(d, 4) | (dice_below(d, 8) ? 0 : MODE_NO_CLIENT) |
                                   (dice_below(d, 3) ? MODE_OPEN : 0)));
    for (unsigned i = 0; i < steps; i++) {
        buffer_put_byte(out, likely[dice_below(d, sizeof likely)]);
        for (unsigned k = 1; k < STEP_BYTES; k++)
            buffer_put_byte(out, (uint8_t)dice_next(d));
    }
}
