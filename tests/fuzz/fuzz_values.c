/* fuzz_values.c - any bytes at all to the functions of libholdfast that read values: they agree
 * with one another and read nothing beyond; and any format without arguments to hf_packf, whose
 * result hf_unpackf takes by the same format. */
#include "fuzz.h"

#include "client/lib/holdfast.h"

void fuzz_seed(struct dice *d, struct buffer *out)
{
    do
        value_make(d, 5, out);
    while (dice_below(d, 4) == 0);
    if (out->size > 8192)
        out->size = 8192;
}

/* Everything inside of value, as deep as it goes within so many steps. */
static void look_into(struct hf_bytes value, unsigned *steps)
{
    struct hf_walk walk = hf_walk(value);
    struct hf_bytes key, inner, text;
    uint32_t seen = 0, length = hf_length(value);
    enum hf_type type = hf_type(value);
    char small[8];
    int64_t n;
    uint64_t u;
    double real;

    FUZZ_CHECK((hf_read_int(value, &n) == HF_OK || hf_read_uint(value, &u) == HF_OK) ==
               (type == HF_TYPE_INT));
    FUZZ_CHECK((hf_read_text(value, &text) == HF_OK) == (type == HF_TYPE_TEXT));
    FUZZ_CHECK(type != HF_TYPE_FLOAT || hf_read_double(value, &real) == HF_OK);
    if (hf_read_string(value, small, sizeof small) == HF_OK)
        FUZZ_CHECK(strlen(small) == text.size && hf_text_is(value, small));
    while (*steps > 0 && hf_walk_next(&walk, &key, &inner)) {
        (*steps)--;
        FUZZ_CHECK(hf_value_size(inner) == inner.size);
        FUZZ_CHECK((const uint8_t *)inner.data + inner.size <=
                   (const uint8_t *)value.data + value.size);
        if (type == HF_TYPE_ARRAY && seen < 4)
            FUZZ_CHECK(hf_element(value, seen).data == inner.data);
        if (type == HF_TYPE_MAP && hf_read_string(key, small, sizeof small) == HF_OK)
            FUZZ_CHECK(hf_field(value, small).data != NULL);
        look_into(inner, steps);
        seen++;
    }
    FUZZ_CHECK(*steps == 0 || seen == length);
}

/* A format made of marks that take no argument. */
static void format_round(const uint8_t *data, size_t size)
{
    static const char marks[] = "nn[]{}:'a ,?*n'";
    char format[64];
    struct hf_pack p = {0};
    size_t count = size < sizeof format - 1 ? size : sizeof format - 1;

    for (size_t i = 0; i < count; i++)
        format[i] = marks[data[i] % (sizeof marks - 1)];
    format[count] = '\0';
    if (hf_packf(&p, format) == HF_OK) {
        struct hf_bytes values = hf_pack_bytes(&p);
        size_t one = values.data ? hf_value_size(values) : 0;

        FUZZ_CHECK(p.size == 0 || one > 0);
        /* Keys that are no texts, or doubled, are not for hf_unpackf. */
        if (one == p.size && one > 0 && hf_type(values) == HF_TYPE_ARRAY &&
            !strchr(format, '{'))
            FUZZ_CHECK(hf_unpackf(values, format) == HF_OK);
    } else {
        FUZZ_CHECK(p.size == 0);
    }
    hf_unpackf((struct hf_bytes){data, size}, format);
    hf_pack_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = exact_copy(slice_make(data, size)); /* so that ASan sees its end */
    unsigned steps = 2000;

    if (size > 0)
        look_into((struct hf_bytes){copy, size}, &steps);
    format_round(copy, size);
    free(copy);
    return 0;
}
