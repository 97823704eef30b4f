#include "client/cli/json_scan.h"

void json_scan_init(struct json_scan *scan)
{
    memset(scan, 0, offsetof(struct json_scan, is_object));
}

/* One byte within a string. False: it may not be there as it is. */
static bool take_string(struct json_scan *scan, uint8_t c)
{
    if (scan->escaped)
        scan->escaped = false;
    else if (c == '\\')
        scan->escaped = true;
    else if (c == '"')
        scan->in_string = false;
    return c >= 0x20;
}

/* A bracket. False: it closes none that is open. */
static bool take_bracket(struct json_scan *scan, uint8_t c)
{
    if (c == '{' || c == '[') {
        if (scan->depth == JSON_SCAN_DEPTH_MAX)
            return false;
        scan->is_object[scan->depth++] = c == '{';
        return true;
    }
    return scan->depth > 0 && scan->is_object[--scan->depth] == (c == '}');
}

static bool ends_word(uint8_t c)
{
    return c <= ' ' || c == ',' || c == ']' || c == '}' || c == '[' || c == '{' || c == '"' ||
           c == ':';
}

enum json_scan_state json_scan_feed(struct json_scan *scan, struct slice text)
{
    while (scan->used < text.size) {
        uint8_t c = text.data[scan->used];

        if (scan->in_string) {
            scan->used++;
            if (!take_string(scan, c))
                return JSON_SCAN_BROKEN;
            if (!scan->in_string && scan->depth == 0)
                return JSON_SCAN_DONE;
            continue;
        }
        if (scan->in_word && scan->depth == 0 && ends_word(c))
            return JSON_SCAN_DONE;
        scan->used++;
        if (c == '"') {
            scan->in_string = true;
        } else if (c == '{' || c == '[' || c == '}' || c == ']') {
            if (!take_bracket(scan, c))
                return JSON_SCAN_BROKEN;
            if (scan->depth == 0)
                return JSON_SCAN_DONE;
        } else if (scan->depth == 0) {
            scan->in_word = true;
        }
    }
    return JSON_SCAN_MORE;
}
