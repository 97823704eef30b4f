/* sim_rig.h - a simulated machine for the tests of the simulator itself, with its
 * table's functions at hand. What can fail in these functions fails the test. */
#ifndef HOLDFAST_TESTS_UNIT_SIM_RIG_H
#define HOLDFAST_TESTS_UNIT_SIM_RIG_H

#include "tests/sim/sim_os.h"

#define SECTOR SIM_SECTOR_BYTES
#define SEEDS 64

struct sim_rig {
    struct sim *sim;
    struct os *os;
    const struct os_ops *ops;
};

struct sim_rig sim_rig_open(uint64_t seed);

/* Nothing may be open or allocated any more. */
void sim_rig_close(struct sim_rig *rig);

/* At a crash nothing unsynced survives (0), or all of it (100); nothing is torn. */
void sim_rig_set_fate(struct sim_rig *rig, int survive_percent);

struct os_file *sim_rig_file(struct sim_rig *rig, const char *path, unsigned flags);

/* A durable file of whole sectors, each filled with byte. */
struct os_file *sim_rig_prepare(struct sim_rig *rig, const char *path, size_t sectors,
                                int byte);

/* Write size bytes of that value; returns what the write said. */
enum err sim_rig_fill(struct sim_rig *rig, struct os_file *file, uint64_t offset, size_t size,
                      int byte);

bool sim_rig_sector_is(struct sim_rig *rig, const char *path, size_t sector, int byte);
bool sim_rig_has(struct sim_rig *rig, const char *path);
uint64_t sim_rig_size(struct sim_rig *rig, const char *path);

#endif
