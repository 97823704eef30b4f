/* args.h - words into arguments and options, by the verb's row in the table. */
#ifndef HOLDFAST_CLI_ARGS_H
#define HOLDFAST_CLI_ARGS_H

#include "client/cli/cli.h"

/* What was asked for instead of running a verb. */
struct globals {
    bool help;
    bool version;
    bool label; /* given with this verb */
    const char *format;
};

/* Options that every verb takes; set in struct cli as they are met. */
extern const struct verb_option global_options[];

/* NULL: verbs has none of that name. */
const struct verb *verb_find(const struct verb *verbs, const char *name);

/* Find the verb (args->verb; NULL if words name none), its arguments and options. False: a
 * message was printed. args borrows from words. */
bool args_parse(struct cli *cli, int count, char **words, struct args *args,
                struct globals *globals);

/* Whether a global option is one of a whole session, which no line of the shell takes. */
bool args_is_of_session(const char *name);

/* A whole number of 0 to max. */
bool args_is_number(const char *text, uint64_t max, uint64_t *number);
/* Bytes: "50MB", "1GiB" and the like; false: it is none. */
bool args_is_size(const char *text, uint64_t *bytes);
/* The same for an option. False: a message was printed. */
bool args_parse_number(struct cli *cli, const char *name, const char *text, uint64_t max,
                       uint64_t *number);

#endif
