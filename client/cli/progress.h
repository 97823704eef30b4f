/* progress.h - how far a long job is, on one line of a terminal. */
#ifndef HOLDFAST_CLI_PROGRESS_H
#define HOLDFAST_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *out;        /* NULL: nobody looks */
    const char *unit; /* what total counts: "bytes" are shown as MB */
    const char *counts; /* what is counted beside bytes: "records" */
    uint64_t total;   /* 0: not known */
    uint64_t started_ms;
    uint64_t shown_ms; /* when it was last drawn */
    bool drawn;
};

/* out: where, if it is a terminal (NULL otherwise). */
void progress_begin(struct progress *p, FILE *out, bool in_bytes, uint64_t total);
/* Draw at most ten times a second. done is in the unit of total. */
void progress_update(struct progress *p, uint64_t done, uint64_t records);
/* Remove the line, before anything else is printed. */
void progress_clear(struct progress *p);
double progress_seconds(const struct progress *p);

/* The line itself, without what moves the cursor. */
void progress_format(const struct progress *p, uint64_t now_ms, uint64_t done, uint64_t records,
                     char *to, size_t room);

#endif
