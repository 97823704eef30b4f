/* base64.h - bytes as text (RFC 4648, the standard alphabet, with padding). */
#ifndef HOLDFAST_CLI_BASE64_H
#define HOLDFAST_CLI_BASE64_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

/* Append the text to out. */
void base64_encode(struct hf_pack *out, struct slice bytes);

/* Append the bytes to out. False (out as it was) if text is not what base64_encode makes:
 * no spaces, padded, no stray bits. */
bool base64_decode(struct hf_pack *out, struct slice text);

#endif
