/* gzip.h - files that are packed with gzip, as streams like any other.
 *
 * The only file that knows zlib. */
#ifndef HOLDFAST_CLI_GZIP_H
#define HOLDFAST_CLI_GZIP_H

#include <stdbool.h>
#include <stdio.h>

/* Whether the file begins as gzip does. If so, its first byte has been taken, which gzip_reader
 * knows; else nothing has. */
bool gzip_is(FILE *file);

/* What file holds, unpacked; several members behind one another are one text. A read fails with
 * EILSEQ where it is damaged, and with ENODATA where it is cut off. Closing it leaves file open.
 * NULL: no memory. */
FILE *gzip_reader(FILE *file);

/* What is written comes packed into file. Closing it writes the rest, may fail, and leaves file
 * open. */
FILE *gzip_writer(FILE *file);

#endif
