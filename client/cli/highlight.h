/* highlight.h - what each byte of typed text is: a keyword, a name, a text, a number.
 *
 * Statements are taken apart as statement.h has them, so that what is coloured as a query is what
 * will be run as one. */
#ifndef HOLDFAST_CLI_HIGHLIGHT_H
#define HOLDFAST_CLI_HIGHLIGHT_H

#include "client/cli/cli.h"

enum shade {
    SHADE_NONE,
    SHADE_KEYWORD, /* of a query; a verb that exists */
    SHADE_WORD,    /* null, true, false of a JSON value */
    SHADE_NAME,    /* of a store or a field */
    SHADE_FUNCTION,
    SHADE_TEXT,
    SHADE_NUMBER,
    SHADE_OPTION, /* one that the verb takes; a parameter of a query */
    SHADE_COMMENT,
    SHADES,
};

/* The escape sequence that begins it; "" for SHADE_NONE. */
const char *highlight_colour(enum shade shade);

/* Fill shades, one for each byte of text, which is any number of statements, the last one perhaps
 * open. verbs: the table. False: no memory. */
bool highlight(const struct verb *verbs, const char *text, uint8_t *shades);

#endif
