#include "tests/sim/sim_restore.h"

#include "server/base/assert.h"
#include "server/storage/restore.h"

/* A machine whose disk holds nothing but the backup. */
static struct sim *shelf_of(struct slice backup)
{
    struct sim *sim = sim_new(1);
    struct os *os = sim_table(sim);
    struct os_file *file;

    ASSERT(os_file_open(os, BACKUP_FILE, OS_READ | OS_WRITE | OS_CREATE, &file) == ERR_OK);
    ASSERT(os->ops->file_write(file, 0, backup.data, backup.size) == ERR_OK);
    os->ops->file_close(file);
    return sim;
}

enum err sim_restore(struct sim *target, const struct slice *backups, unsigned count,
                     struct failure *f)
{
    struct os *data = sim_table(target);
    struct restore_count counted = {0};
    struct backup_header header = {.root = 0}, base;
    enum err e = restore_begin(data, f);

    for (unsigned i = 0; i < count && !e; i++) {
        struct sim *shelf = shelf_of(backups[i]);

        base = header;
        e = restore_pages(data, sim_table(shelf), i ? &base : NULL, &header, &counted, f);
        sim_free(shelf);
    }
    if (!e)
        e = restore_root(data, &header, f);
    if (!e)
        e = restore_adopt(data, f);
    return e ? e : restore_end(data, f);
}
