/* error.h - filling struct hf_error, from here and from the wire. */
#ifndef HOLDFAST_LIB_ERROR_H
#define HOLDFAST_LIB_ERROR_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

void error_clear(struct hf_error *error);

/* An error that the library found itself. Returns code. error may be NULL. */
int error_set(struct hf_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The error value of a response, one whole MessagePack value that is not nil. details
 * borrows from it. False: it is no error as the protocol has them; *error is HF_PROTOCOL. */
bool error_read(struct hf_error *error, struct slice value);

#endif
