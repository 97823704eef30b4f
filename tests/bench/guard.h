/* guard.h - whatever ends the tool, nothing of it is left behind.
 *
 * The work is done in a child; servers are its children, and die with it. */
#ifndef HOLDFAST_TESTS_BENCH_GUARD_H
#define HOLDFAST_TESTS_BENCH_GUARD_H

/* Do work(context) in a child and return its status. An interrupt ends the child and
 * all that it started. When nobody is left, directory is removed (NULL: is kept). */
int guard_run(int (*work)(void *context), void *context, const char *directory);

#endif
