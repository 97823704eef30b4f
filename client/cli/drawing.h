/* drawing.h - the line that is typed, on the screen: its prompt, in its colours, over several
 * rows where it does not fit into one.
 *
 * What was drawn is drawn anew as a whole, so only one thing is kept of it: how many rows of it
 * stand above the cursor. */
#ifndef HOLDFAST_CLI_DRAWING_H
#define HOLDFAST_CLI_DRAWING_H

#include "client/lib/holdfast.h"

#include <stdbool.h>

struct drawing {
    const char *prompt; /* ASCII, with PROMPT_ESCAPE around what takes no cells */
    const char *text;   /* UTF-8 */
    size_t size, cursor;
    const uint8_t *shades; /* of each byte of text; highlight.h. NULL: no colours */
    unsigned columns, rows; /* of the terminal */
};

/* The last one drawn. */
struct drawn {
    bool has_prompt; /* it is on the screen, so the text alone need be drawn */
    unsigned above;  /* rows of it above the cursor */
    unsigned below;  /* rows from the cursor's to that of the text's end */
    unsigned end_column;
};

/* Append what draws it in the place of the last one; the cursor stands above or below that as
 * *drawn says, and *drawn is of this one then. A line with more rows than the terminal is drawn
 * in part, the cursor's row among it. */
void drawing_draw(const struct drawing *d, struct drawn *drawn, struct hf_pack *out);

/* Append what puts the cursor behind the text's end; nothing of it is to be drawn over later. */
void drawing_leave(struct drawn *drawn, struct hf_pack *out);

/* Append what takes it off the screen; the cursor is where it began. */
void drawing_clear(struct drawn *drawn, struct hf_pack *out);

/* The terminal has another size. It may have wrapped the rows anew or not: of what is cleared
 * later, all was the line's. */
void drawing_resized(const struct drawing *d, struct drawn *drawn);

#endif
