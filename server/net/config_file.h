/* config_file.h - reading a configuration file: `name = value`, # comments.
 *
 * A value runs to the end of its line, without the blanks around it; a # that
 * follows a blank begins a comment. An empty value is the empty text. A list
 * may be given in several lines. */
#ifndef HOLDFAST_NET_CONFIG_FILE_H
#define HOLDFAST_NET_CONFIG_FILE_H

#include "server/net/options.h"

/* Called with one whole sentence for each thing that is wrong, "FILE:LINE: ..."
 * at its beginning. */
typedef void config_complain(void *context, const char *error);

/* Read path into o, which holds defaults. Goes on after an error, so that all
 * are told. Returns the number of errors; 0: all is well. A file that cannot be
 * read, or is over CONFIG_BYTES_MAX, is one error. */
#define CONFIG_BYTES_MAX (1024 * 1024)
unsigned config_file_read(const char *path, struct options *o, config_complain *complain,
                          void *context);

/* The same for text at hand; path is only for the errors. */
unsigned config_text_read(const char *path, struct slice text, struct options *o,
                          config_complain *complain, void *context);

#endif
