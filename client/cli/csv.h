/* csv.h - values as cells of CSV (RFC 4180) or TSV, and back.
 *
 * In CSV a quoted cell is a text, so that "1" and 1 are different values; an empty cell that is
 * not quoted is a field that is absent, and one that is null is nil. TSV has no quotes: there
 * \t, \n, \r and \\ stand for what would break a line. Maps, arrays and what else JSON has no
 * digits or words for are JSON in their cell; timestamps are RFC 3339. */
#ifndef HOLDFAST_CLI_CSV_H
#define HOLDFAST_CLI_CSV_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

/* What the cells of a column are. */
enum csv_type {
    CSV_TEXT,
    CSV_BOOLEAN,
    CSV_INTEGER,
    CSV_NUMBER,
    CSV_TIMESTAMP,
    CSV_JSON,
    CSV_TYPE_COUNT,
};

extern const char *const csv_type_names[CSV_TYPE_COUNT];

struct csv_cell {
    struct slice text; /* unquoted, unescaped */
    bool quoted;
};

/* The cell as a value of that type, appended. False: it is none. */
bool csv_value(const struct csv_cell *cell, enum csv_type type, struct hf_pack *out);

/* Take from *mask (bits of csv_types) those that the cell is not. Text it always is. */
void csv_narrow(const struct csv_cell *cell, unsigned *mask);
#define CSV_MASK_ALL ((1u << CSV_TYPE_COUNT) - 1)
/* The narrowest type of a mask. */
enum csv_type csv_type_of(unsigned mask);

/* Append a value as a cell; none: an empty one. style as of json_print. */
void csv_print(struct slice value, bool tsv, unsigned style, struct hf_pack *out);
/* Append a name of the head. */
void csv_print_name(struct slice name, bool tsv, struct hf_pack *out);

#endif
