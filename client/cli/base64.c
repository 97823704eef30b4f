#include "client/cli/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct hf_pack *out, struct slice bytes)
{
    size_t size = (bytes.size + 2) / 3 * 4;
    uint8_t *to = hf_pack_reserve(out, size);

    if (!to)
        return;
    for (size_t i = 0; i < bytes.size; i += 3, to += 4) {
        size_t left = bytes.size - i;
        uint32_t bits = (uint32_t)bytes.data[i] << 16;

        if (left > 1)
            bits |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2)
            bits |= bytes.data[i + 2];
        to[0] = (uint8_t)alphabet[bits >> 18];
        to[1] = (uint8_t)alphabet[bits >> 12 & 63];
        to[2] = left > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
        to[3] = left > 2 ? (uint8_t)alphabet[bits & 63] : '=';
    }
    out->size += size;
}

static int digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct hf_pack *out, struct slice text)
{
    uint8_t *to;
    size_t pad = 0, put = 0;

    if (text.size % 4)
        return false;
    while (pad < 2 && pad < text.size && text.data[text.size - 1 - pad] == '=')
        pad++;
    to = hf_pack_reserve(out, text.size / 4 * 3 + 3);
    if (!to)
        return false;
    for (size_t i = 0; i < text.size; i += 4) {
        size_t given = i + 4 == text.size ? 4 - pad : 4;
        uint32_t bits = 0;

        for (size_t k = 0; k < 4; k++) {
            int d = k < given ? digit(text.data[i + k]) : 0;

            if (d < 0)
                return false;
            bits = bits << 6 | (uint32_t)d;
        }
        if (bits & ((1u << (8 * (4 - given))) - 1)) /* bits that no byte takes */
            return false;
        for (size_t k = 0; k + 1 < given; k++)
            to[put++] = (uint8_t)(bits >> (16 - 8 * k));
    }
    out->size += put;
    return true;
}
