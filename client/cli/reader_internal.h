/* reader_internal.h - what the files of reader share. */
#ifndef HOLDFAST_CLI_READER_INTERNAL_H
#define HOLDFAST_CLI_READER_INTERNAL_H

#include "client/cli/reader.h"

/* Keep what went wrong. line 0: of no line. READER_FAILED. */
enum reader_result reader_fail(struct reader *r, uint64_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Read more behind what is there; what was given out goes, so at becomes 0. False: it failed. */
bool reader_fill(struct reader *r);

/* Take bytes from the buffer's beginning, counting lines. */
void reader_take(struct reader *r, size_t size);

/* The next value of a file of MessagePack. */
enum reader_result msgpack_next(struct reader *r, struct hf_pack *out);

/* Read the head, and find the types of the columns in the rows that follow. */
void columns_begin(struct reader *r, const char *types);
enum reader_result columns_next(struct reader *r, struct hf_pack *out);
void columns_end(struct reader *r);

#endif
