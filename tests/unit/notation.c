#include "notation.h"

#include "proto/msgpack.h"

#include <check.h>

#include <stdlib.h>
#include <string.h>

static void write_value(const char **at, struct buffer *out);

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == ',' || **at == ':')
        ++*at;
}

static void write_list(const char **at, struct buffer *out, char end)
{
    struct buffer inside = {0};
    uint8_t head[MSGPACK_HEAD_MAX];
    uint32_t count = 0;

    for (++*at, skip_blanks(at); **at != end; skip_blanks(at), count++)
        write_value(at, &inside);
    ++*at;
    buffer_put(out, head,
               end == ']' ? msgpack_put_array_head(head, count)
                          : msgpack_put_map_head(head, count / 2));
    if (inside.size)
        buffer_put(out, inside.data, inside.size);
    buffer_fini(&inside);
}

static void write_number(const char **at, struct buffer *out)
{
    size_t size = strspn(*at, "-+.0123456789e");
    uint8_t bytes[MSGPACK_HEAD_MAX];

    if (strcspn(*at, ".e") < size)
        buffer_put(out, bytes, msgpack_put_double(bytes, strtod(*at, NULL)));
    else if (**at == '-')
        buffer_put(out, bytes, msgpack_put_int(bytes, strtoll(*at, NULL, 10)));
    else
        buffer_put(out, bytes, msgpack_put_uint(bytes, strtoull(*at, NULL, 10)));
    REQUIRE(size > 0);
    *at += size;
}

static void write_value(const char **at, struct buffer *out)
{
    uint8_t bytes[300];
    bool is_binary = **at == 'b';
    size_t size;

    skip_blanks(at);
    if (**at == '[' || **at == '{') {
        write_list(at, out, **at == '[' ? ']' : '}');
    } else if (**at == '"' || is_binary) {
        *at += 1 + is_binary;
        size = strcspn(*at, is_binary ? "'" : "\"");
        buffer_put(out, bytes,
                   is_binary ? msgpack_put_binary(bytes, slice_make(*at, size))
                             : msgpack_put_text(bytes, slice_make(*at, size)));
        *at += size + 1;
    } else if (strncmp(*at, "nan", 3) == 0) {
        buffer_put(out, "\xcb\x7f\xf8\0\0\0\0\0\0", 9);
        *at += 3;
    } else if (**at == 'e') {
        buffer_put(out, "\xd4\x05\x00", 3);
        ++*at;
    } else if (**at == 'n') {
        buffer_put_byte(out, 0xc0);
        *at += 3;
    } else if (**at == 'T' || **at == 'F') {
        buffer_put_byte(out, **at == 'T' ? 0xc3 : 0xc2);
        ++*at;
    } else if (**at == 't') {
        ++*at;
        buffer_put(out, bytes, msgpack_put_timestamp(bytes, strtol(*at, NULL, 10), 0));
        *at += strspn(*at, "-0123456789");
    } else if (**at == '@') {
        ++*at;
        buffer_put(out, "\xcf\0\0\0\0\0\0\0", 9);
    } else {
        write_number(at, out);
    }
}

struct buffer packed(const char *text)
{
    struct buffer out = {0};

    if (*text)
        write_value(&text, &out);
    return out;
}
