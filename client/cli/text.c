#include "client/cli/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <utf8proc.h>

uint32_t text_decode(struct slice text, size_t *size)
{
    utf8proc_int32_t point;
    utf8proc_ssize_t n = 1;

    if (text.data[0] < 0x80) {
        *size = 1;
        return text.data[0];
    }
    n = utf8proc_iterate(text.data, text.size > 4 ? 4 : (utf8proc_ssize_t)text.size, &point);
    if (n <= 0 || point < 0) {
        *size = 1;
        return 0xfffd;
    }
    *size = (size_t)n;
    return (uint32_t)point;
}

void text_put(struct hf_pack *out, uint32_t point)
{
    uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)point, bytes);

    hf_pack_raw(out, (struct hf_bytes){bytes, (size_t)n});
}

bool text_is_unsafe(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
           point == 0x200e || point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff ||
           (point >= 0xfff9 && point <= 0xfffb);
}

static void escape(struct hf_pack *out, struct slice text, bool backslashes)
{
    while (text.size > 0) {
        size_t size;
        uint32_t point = text_decode(text, &size);

        if (point == '\n')
            text_append(out, "\\n");
        else if (point == '\t')
            text_append(out, "\\t");
        else if (point == '\\' && backslashes)
            text_append(out, "\\\\");
        else if (text_is_unsafe(point))
            text_printf(out, "\\u%04x", point);
        else
            text_put(out, point);
        text = slice_make(text.data + size, text.size - size);
    }
}

void text_escape(struct hf_pack *out, struct slice text)
{
    escape(out, text, true);
}

void text_make_safe(struct hf_pack *out, struct slice text)
{
    escape(out, text, false);
}

static size_t point_width(uint32_t point)
{
    int width = utf8proc_charwidth((utf8proc_int32_t)point);

    return width > 0 ? (size_t)width : 0;
}

size_t text_width(struct slice text)
{
    size_t used;

    text_fit(text, SIZE_MAX, &used);
    return used;
}

size_t text_fit(struct slice text, size_t width, size_t *used)
{
    size_t at = 0;

    *used = 0;
    while (at < text.size) {
        size_t size, cells;
        uint32_t point = text_decode(slice_make(text.data + at, text.size - at), &size);

        cells = point_width(point);
        if (cells > width - *used)
            break;
        *used += cells;
        at += size;
    }
    return at;
}

void text_append(struct hf_pack *out, const char *text)
{
    hf_pack_raw(out, (struct hf_bytes){text, strlen(text)});
}

void text_append_slice(struct hf_pack *out, struct slice text)
{
    if (text.size > 0)
        hf_pack_raw(out, (struct hf_bytes){text.data, text.size});
}

void text_printf(struct hf_pack *out, const char *format, ...)
{
    char buffer[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    if (n > (int)sizeof buffer - 1)
        n = (int)sizeof buffer - 1;
    hf_pack_raw(out, (struct hf_bytes){buffer, (size_t)n});
}
