/* assert.h - what our own code promised.
 *
 * ASSERT stays on in release builds: it is for cheap facts about our own
 * state. What a socket or a file said is never asserted; it is an error. */
#ifndef HOLDFAST_BASE_ASSERT_H
#define HOLDFAST_BASE_ASSERT_H

/* What runs only when something went wrong: it and the code that leads to it lie apart from what
 * every request passes through. */
#define COLD __attribute__((cold))

/* Print the failed fact to stderr and abort. */
_Noreturn COLD void assert_failed(const char *fact, const char *file, int line);

#define ASSERT(fact) ((fact) ? (void)0 : assert_failed(#fact, __FILE__, __LINE__))

#endif
