/* life.h - whole lives of the core from one seed: clients with transactions open
 * together, rotation, amalgamation, failing disks, crashes and restarts, with every
 * answer compared with the model. */
#ifndef HOLDFAST_TESTS_SIM_LIFE_H
#define HOLDFAST_TESTS_SIM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

struct life_options {
    unsigned steps;        /* things that happen in all */
    unsigned actors;       /* clients, at most LIFE_ACTORS_MAX */
    unsigned crashes;      /* percent of a percent: a crash or kill at a step */
    unsigned pad_max;      /* bytes that values are padded with at most */
    bool faults;           /* full disks, failing writes and syncs */
    unsigned serializable; /* percent of transactions; 0: 40 */
    unsigned changes;      /* percent of requests in transactions that change a store */
    unsigned ends;         /* percent of steps at which a transaction ends; 0: 15 */
    bool tiny;             /* the smallest stages */
    bool rots;             /* pages of one store rot, and no store is changed */
    bool spills;           /* ledgers are on disk; a small cache */
    unsigned indexes;      /* percent of requests on indexes; 0: there are none */
    unsigned locks;        /* percent of transactions that begin with locks */
};

#define LIFE_ACTORS_MAX 8

struct life_counts { /* what happened, so that a run can show that it met what it is for */
    uint64_t commits, conflicts, reads, scans, crashes, kills, amalgamations, rotations, lost;
    uint64_t serializable;     /* commits that read and wrote at that level */
    uint64_t rots, damaged;    /* pages that rotted; lives in which that was met */
    uint64_t excused;          /* answers that only damage excuses */
    uint64_t rots_again;       /* of pages that had rotted before */
    uint64_t copies_rotten;    /* of pages that all stores depend on */
    uint64_t copies_met;       /* how often that was said */
    uint64_t turns;            /* of cursors, and moves */
    uint64_t given_up;         /* requests that had to wait and were not carried through */
    uint64_t pages_again;      /* of scans, that were given up and came again */
    uint64_t carried_on;       /* transactions that went on after an error of the disk */
    uint64_t limited, expired; /* answers that named a limit; transactions ended by one */
    uint64_t own_limits;       /* both, of a limit that the transaction had set itself */
    uint64_t changes;          /* of stores within transactions */
    uint64_t renames;
    uint64_t indexes, index_scans, index_gets; /* changes of indexes; reads by them */
    uint64_t index_renames;
    uint64_t index_rots;  /* pages of indexes that rotted */
    uint64_t index_named; /* how often a check said so */
    uint64_t indexes_within,
        indexes_together; /* changes in transactions; in how many stores they were committed */
    uint64_t builds,
        builds_read;       /* indexes that became ready in the background; reads before */
    uint64_t backups, backups_ended; /* restored and compared; given up */
    uint64_t backups_linked;         /* of those restored, with what they build on */
    uint64_t scrubs;               /* rounds */
    uint64_t disk_checks;          /* of the disk before a start, whole */
    uint64_t checks, checks_ended; /* of the running database, whole; given up */
    uint64_t index_checks; /* indexes compared with their records, all of them */
    uint64_t locks, lock_waits, lock_losses; /* granted; waited for; conflicts with them */
    uint64_t lock_timeouts,
        lock_idles;      /* writes that waited for too long; holders that idled */
    uint64_t taken_back; /* to a savepoint */
    uint64_t generated; /* keys */
    uint64_t tokens, tokens_again, outcomes, fenced; /* commits with one; repeated; asked; so */
    uint64_t tokens_deleted; /* times that rows of forgotten ones went */
    uint64_t roots;                /* intermediate ones, for old snapshots */
    uint64_t waits, old_conflicts; /* conflicts with what was amalgamated */
    uint64_t spilled;              /* turns with a ledger on disk */
    uint64_t disk_conflicts;       /* old conflicts meanwhile */
};

/* Run one life. false: a promise was broken; why says which, where and the seed. */
bool life_run(uint64_t seed, const struct life_options *options, struct life_counts *counts,
              char *why, unsigned why_size);

#endif
