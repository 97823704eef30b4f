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
 *   {"$float": "nan"}                                   nan, inf, -inf; another NaN by its
 *   {"$float": "0x7ff8000000000001"}                    bits
 *   {"$float32": 1.5}                                   32 bits; "nan", ..., "0x7fc00001" too
 *   {"$map": [[1, "one"], [[2], "two"]]}                a map with keys that are not text
 *   {"$$name": 1}                                       a real map whose only key is "$name"
 *
 * Any other object with one key that begins with a dollar sign is an error, so that a
 * misspelt type is not stored as a map. In objects of several keys a dollar means nothing.
 *
 * JSON_PLAIN takes every object as a map, and prints every map as it is: {"$ref": 1} is the
 * map with the key "$ref". What JSON lacks is printed as above, but not read back. */
#ifndef HOLDFAST_CLI_JSON_H
#define HOLDFAST_CLI_JSON_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

#define JSON_DEPTH_MAX 64 /* of the MessagePack value */

/* How to read or print; to be added up. */
#define JSON_TYPED 0u  /* as above */
#define JSON_PLAIN 1u  /* a dollar sign means nothing */
#define JSON_OPERATORS 4u /* a lone {"$gte": 1} that names no type is a map */
#define JSON_COLOUR 8u /* print in the colours of a terminal */
#define JSON_INDENT 2u /* print on lines of their own, indented by two; else on one line */

struct json_error {
    unsigned long line;   /* from 1 */
    unsigned long column; /* in characters, from 1 */
    char message[140];
    bool open; /* the text ended within an array or object: more of it may follow */
};

/* Append the one JSON value that text holds to out, as MessagePack in its shortest form.
 * False: *error says where and why, and out is as it was. */
bool json_parse(struct slice text, unsigned style, struct hf_pack *out,
                struct json_error *error);

/* The same for the value at the beginning of text; *used gets its length, what follows is
 * not looked at. */
bool json_parse_first(struct slice text, unsigned style, struct hf_pack *out, size_t *used,
                      struct json_error *error);

/* Append value as JSON text. In strings, what could move a terminal's cursor is escaped
 * as \u.... A value that is not well-formed ends with "...". */
void json_print(struct slice value, unsigned style, struct hf_pack *out);

#endif
