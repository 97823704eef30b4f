/* fields.h - --fields: some fields of a record, in an order of their own. */
#ifndef HOLDFAST_CLI_FIELDS_H
#define HOLDFAST_CLI_FIELDS_H

#include "client/cli/cli.h"

/* "name,address.city" or JSON, '["a.b", ["c", "d"]]', into a packed list of [name, path]. False: a
 * message was printed. */
bool fields_parse(struct cli *cli, const char *text, struct hf_pack *out);

/* Of such a list: the name of the place, none beyond the last; and its value in the record, none if
 * it has none. */
struct slice fields_name(struct slice fields, uint32_t place);
struct slice fields_value(struct slice fields, uint32_t place, struct slice record);

/* Append a map of those that the record has. */
void fields_take(struct slice fields, struct slice record, struct hf_pack *out);

#endif
