/* durability.h - what a commit asks for before it is acknowledged. */
#ifndef HOLDFAST_STORAGE_DURABILITY_H
#define HOLDFAST_STORAGE_DURABILITY_H

/* In the order of the words of the options `durability`; the numbers stand in ledgers on disk. */
enum durability {
    DURABILITY_SYNC = 0,     /* its bytes are synced: it survives power loss */
    DURABILITY_INTERVAL = 1, /* they are written: it survives a kill, and is synced soon */
};

#endif
