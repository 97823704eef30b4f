/* text.h - texts for people: labels and names that clients chose, and messages.
 *
 * A client's text may hold any character, NUL included. So it is counted, here and wherever
 * it is kept: never a C string. A text that is too long is cut between two characters, so
 * that it stays UTF-8. In a message it stands as text_show writes it: no byte of it can end
 * the text, move the cursor of a terminal, or turn the direction of what follows. */
#ifndef HOLDFAST_BASE_TEXT_H
#define HOLDFAST_BASE_TEXT_H

#include "proto/slice.h"

#define TEXT_LABEL_BYTES_MAX 63
#define TEXT_NAME_BYTES_MAX 255
#define TEXT_SHOWN_BYTES 128 /* room for a client's text in a message, its end included */

/* The label of a transaction, or the name of a client. Size 0: none. */
struct text_label {
    uint8_t size; /* bytes */
    uint8_t bytes[TEXT_LABEL_BYTES_MAX];
};

/* The name of a store. */
struct text_name {
    uint8_t size; /* bytes */
    uint8_t bytes[TEXT_NAME_BYTES_MAX];
};

/* text, or its beginning of at most max bytes that ends between two characters. */
struct slice text_cut(struct slice text, size_t max);

/* A copy, cut if need be. */
void text_label_set(struct text_label *to, struct slice text);
void text_name_set(struct text_name *to, struct slice text);

static inline struct slice text_label_of(const struct text_label *l)
{
    return slice_make(l->bytes, l->size);
}
static inline struct slice text_name_of(const struct text_name *n)
{
    return slice_make(n->bytes, n->size);
}

/* Whether any of it would have to be written as an escape by text_escape. */
bool text_is_plain(struct slice text);

/* The next character of text as people may see it: itself, or, if it is a control character
 * (C0, C1, DEL), a mark of direction, or a separator of lines, \x.. or \u{...}; a byte that is
 * not UTF-8 is \x.. . Moves text behind it; puts at most TEXT_ESCAPE_BYTES at to and returns
 * how many. text is not empty. */
#define TEXT_ESCAPE_BYTES 12
size_t text_escape_next(struct slice *text, char *to);

/* All of text at to, escaped, terminated; "..." at its end says that there was no room for
 * more. room is at least 4. Returns to. */
const char *text_escape(struct slice text, char *to, size_t room);

/* A client's text inside a message, for "%s": good until the end of the block. */
#define text_show(text) text_escape((text), (char[TEXT_SHOWN_BYTES]){0}, TEXT_SHOWN_BYTES)

/* Edits between two names: insert, delete, replace. UINT32_MAX where one of them is over
 * TEXT_NEAR_BYTES_MAX: nobody mistypes those. At most the product of their sizes in steps. */
#define TEXT_NEAR_BYTES_MAX 40
unsigned text_distance(struct slice a, struct slice b);

/* A message that has been cut anywhere ends between two characters, and what is not UTF-8
 * in it becomes '?'. */
void text_repair(char *text);

#endif
