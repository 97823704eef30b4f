/* retry.h - how long to pause before a transaction is tried again. */
#ifndef HOLDFAST_LIB_RETRY_H
#define HOLDFAST_LIB_RETRY_H

#include <stdint.h>

/* A random pause: 0 to first_ms after the first loss, the bound doubling with each until
 * max_ms, every length as likely as any other. losses is at least 1. */
uint32_t retry_delay_ms(unsigned losses, uint32_t first_ms, uint32_t max_ms, uint64_t *random);

#endif
