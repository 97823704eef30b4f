/* json.h - JSON to MessagePack and back, exactly.
 *
 * Numbers without a point or exponent that fit into 64 bits are integers, all others
 * doubles; doubles are printed in the fewest digits that read back the same, with a point
 * or exponent so that they stay doubles. What JSON lacks is an object with one key that
 * begins with a dollar sign:
 *
 *   {"$binary": "aGk="}                                 binary, as base64
 *   {"$timestamp": "2026-01-02T03:04:05.000000006Z"}    a timestamp; outside of the years
 *   {"$timestamp": [seconds, nanoseconds]}              0 to 9999 in this form
 *   {"$ext": [5, "aGk="]}                               another extension type
 *   {"$float": "nan"}                                   nan, inf, -inf
 *   {"$map": [[1, "one"], [[2], "two"]]}                a map with keys that are not text
 *   {"$$name": 1}                                       a real map whose only key is "$name"
 *
 * Any other object with one key that begins with a dollar sign is an error, so that a
 * misspelt type is not stored as a map. In objects of several keys a dollar means nothing. */
#ifndef HOLDFAST_CLI_JSON_H
#define HOLDFAST_CLI_JSON_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

#define JSON_DEPTH_MAX 64 /* of the MessagePack value */

struct json_error {
    unsigned long line;   /* from 1 */
    unsigned long column; /* in characters, from 1 */
    char message[120];
};

/* Append the one JSON value that text holds to out, as MessagePack in its shortest form.
 * False: *error says where and why, and out is as it was. */
bool json_parse(struct slice text, struct hf_pack *out, struct json_error *error);

/* The same for the value at the beginning of text; *used gets its length, what follows is
 * not looked at. */
bool json_parse_first(struct slice text, struct hf_pack *out, size_t *used,
                      struct json_error *error);

/* Append value as JSON text. In strings, what could move a terminal's cursor is escaped
 * as \u.... indent: on lines of their own, indented by two; else on one line. A value that
 * is not well-formed ends with "...". */
void json_print(struct slice value, bool indent, struct hf_pack *out);

#endif
