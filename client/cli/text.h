/* text.h - what people read: how wide it is, and nothing in it that moves a cursor.
 *
 * No value, key or name goes to a terminal raw: whoever wrote it could otherwise repaint
 * the screen or turn what follows round. */
#ifndef HOLDFAST_CLI_TEXT_H
#define HOLDFAST_CLI_TEXT_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

/* The code point at the beginning of text and its length in bytes; 0xfffd and 1 where it is
 * not UTF-8. text is not empty. */
uint32_t text_decode(struct slice text, size_t *size);

/* Append one code point as UTF-8. */
void text_put(struct hf_pack *out, uint32_t point);

/* Whether a terminal may do something else with it than show it: control characters, and
 * those that change the direction or break lines. */
bool text_is_unsafe(uint32_t point);

/* Append text with what is unsafe as \n, \t, \\ or \u001b and the like. */
void text_escape(struct hf_pack *out, struct slice text);

/* The same, but backslashes stay as they are: for messages, parts of which are JSON. */
void text_make_safe(struct hf_pack *out, struct slice text);

/* Cells that the text takes on a terminal. */
size_t text_width(struct slice text);

/* How many bytes of text fit into width cells; *used gets the cells. Never cuts a
 * character from the marks that follow it. */
size_t text_fit(struct slice text, size_t width, size_t *used);

void text_append(struct hf_pack *out, const char *text);
void text_append_slice(struct hf_pack *out, struct slice text);
void text_printf(struct hf_pack *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
