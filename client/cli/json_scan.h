/* json_scan.h - where a JSON value ends, before all of it has come.
 *
 * Looks at brackets and strings only, so that text may come in pieces and each byte is looked at
 * once; what the value says, and whether it is right, json_parse finds. */
#ifndef HOLDFAST_CLI_JSON_SCAN_H
#define HOLDFAST_CLI_JSON_SCAN_H

#include "proto/slice.h"

#define JSON_SCAN_DEPTH_MAX 256

enum json_scan_state {
    JSON_SCAN_MORE,   /* it goes on behind what has come */
    JSON_SCAN_DONE,   /* it ends at scan.used */
    JSON_SCAN_BROKEN, /* it cannot become a value: the parser will say why */
};

struct json_scan {
    size_t used; /* bytes looked at, from the value's first one */
    unsigned depth;
    bool in_string, escaped, in_word;
    uint8_t is_object[JSON_SCAN_DEPTH_MAX]; /* of each level that is open */
};

void json_scan_init(struct json_scan *scan);

/* text is all that has come so far, from the value's first byte (no blank) on. A number or word
 * ends before the byte that cannot belong to it, so at the end of the text it may go on. */
enum json_scan_state json_scan_feed(struct json_scan *scan, struct slice text);

#endif
