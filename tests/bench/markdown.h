/* markdown.h - a Markdown page whose tables are brought up to date where they stand.
 *
 * The tables are the sections "### NAME: ..." under the heading "## The tables". What is
 * before that heading, and from the next heading of its rank on, is prose and stays as it
 * is, byte for byte. */
#ifndef HOLDFAST_TESTS_BENCH_MARKDOWN_H
#define HOLDFAST_TESTS_BENCH_MARKDOWN_H

#include <stdbool.h>

struct markdown;

/* Read the page, or begin an empty one. order tells a table's place among the others by
 * its name. path is borrowed. NULL: there is a file and it cannot be read. */
struct markdown *markdown_open(const char *path, unsigned (*order)(const char *name));

/* Replace the section of that name or add it. text: from "### " to its last newline. */
void markdown_put(struct markdown *p, const char *name, const char *text);

/* Write it as it now is, at once and whole. False: said why on stderr. */
bool markdown_write(const struct markdown *p);
void markdown_free(struct markdown *p);

#endif
