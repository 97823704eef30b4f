/* timestamp.h - moments as RFC 3339 text, in UTC, to the nanosecond. */
#ifndef HOLDFAST_PROTO_TIMESTAMP_H
#define HOLDFAST_PROTO_TIMESTAMP_H

#include "proto/slice.h"

#define TIMESTAMP_TEXT_MAX 40

/* Years 0000 to 9999, which is what the text form has digits for. */
#define TIMESTAMP_SECONDS_MIN (-62167219200)
#define TIMESTAMP_SECONDS_MAX 253402300799

/* Days since 1970-01-01 in the Gregorian calendar without end, and back. */
int64_t timestamp_days(int64_t year, int month, int day);
void timestamp_date(int64_t days, int64_t *year, int *month, int *day);
int timestamp_month_days(int64_t year, int month); /* 28 to 31; month from 1 */

/* "2026-01-02T03:04:05Z", with nine digits of a fraction unless it is 0. The seconds are
 * within the bounds above. Returns the length. */
size_t timestamp_print(char to[TIMESTAMP_TEXT_MAX], int64_t seconds, uint32_t nanoseconds);

/* The same back; also with an offset in place of Z, 1 to 9 digits of a fraction, and a
 * lower case t or z or a space as RFC 3339 allows. False: no such moment. */
bool timestamp_parse(struct slice text, int64_t *seconds, uint32_t *nanoseconds);

#endif
