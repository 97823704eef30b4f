/* sim_disk.c - the file functions of the simulated table, with the faults that
 * were asked for, and the disk as seen from outside.
 *
 * Each operation first says whether the power is on, then whether a fault is due,
 * and only then does what was asked. */
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum err sim_file_open_op(struct os *os, const char *path, unsigned flags,
                                 struct os_file **out)
{
    struct sim *sim = sim_of(os);
    struct os_file *file;
    struct sim_node *node;
    enum err e;

    *out = NULL;
    ASSERT(flags & (OS_READ | OS_WRITE));
    sim_preempt(sim);
    sim_trace(sim, "open %s %u", path, flags);
    if (sim->off)
        return ERR_IO;
    if (sim_fault_due(sim, SIM_FAULT_ALLOC, NULL))
        return ERR_NOMEM;
    e = sim_tree_open(sim, path, flags, &node);
    if (e)
        return e;
    file = sim_malloc(sizeof *file);
    *file = (struct os_file){.sim = sim, .node = node, .flags = flags};
    totals_add(TOTAL_IMAGES, sim->is_image);
    sim->is_image = false;
    file->errors_told = node->errors_seen ? node->errors : 0;
    memcpy(file->path, path, strlen(path) + 1);
    list_push_back(&sim->files, &file->in_sim);
    node->handles++;
    *out = file;
    return ERR_OK;
}

/* Part the handle from its file; the handle stays until it is closed. */
static void file_detach(struct os_file *file)
{
    struct sim_node *node = file->node;

    if (!node)
        return;
    if (node->locked_by == file)
        node->locked_by = NULL;
    node->handles--;
    file->node = NULL;
    sim_node_unref(node);
}

static void sim_file_close_op(struct os_file *file)
{
    if (!file)
        return;
    file_detach(file);
    list_remove(&file->in_sim);
    free(file);
}

void sim_files_make_stale(struct sim *sim)
{
    LIST_EACH (link, &sim->files) {
        file_detach(LIST_ENTRY(link, struct os_file, in_sim));
    }
}

static enum err sim_file_read_op(struct os_file *file, uint64_t offset, void *to, size_t size,
                                 size_t *got)
{
    struct sim *sim = file->sim;
    struct sim_node *node = file->node;
    uint64_t known; /* bytes before the zeros that nobody has touched */

    *got = 0;
    sim_preempt(sim);
    sim_trace(sim, "read %s %" PRIu64 "+%zu", file->path, offset, size);
    if (!node || sim->off || sim_fault_due(sim, SIM_FAULT_READ, file->path))
        return ERR_IO;
    if (file->flags & OS_UNCACHED) {
        ASSERT((offset | size | (uintptr_t)to) % OS_UNCACHED_BYTES == 0);
        if (sim_node_is_doubtful(node))
            sim_node_forget(node);
    }
    if (offset >= node->size)
        return ERR_OK;
    *got = size < node->size - offset ? size : node->size - offset;
    known = offset < node->zero_from ? node->zero_from - offset : 0;
    if (known > *got)
        known = *got;
    if (known)
        memcpy(to, node->data + offset, known);
    memset((uint8_t *)to + known, 0, *got - known);
    return ERR_OK;
}

static enum err sim_file_read_nowait_op(struct os_file *file, uint64_t offset, void *to,
                                        size_t size, size_t *got)
{
    *got = 0;
    if (file->node && !file->sim->off && sim_chance(file->sim, file->sim->knobs.wait_percent))
        return ERR_WAIT;
    return sim_file_read_op(file, offset, to, size, got);
}

/* How many bytes of a write at offset the disk has room for. */
static size_t file_room(const struct sim *sim, const struct sim_node *node, uint64_t offset,
                        size_t size)
{
    uint64_t used, room;
    size_t fits = size;

    if (sim->disk_limit == SIM_LIMIT_NONE)
        return size;
    used = sim_disk_used(sim);
    room = used < sim->disk_limit ? (sim->disk_limit - used) / SIM_SECTOR_BYTES : 0;
    while (fits > 0 && sim_node_missing(node, offset, offset + fits) > room) {
        size_t over = (offset + fits) % SIM_SECTOR_BYTES;

        over = over ? over : SIM_SECTOR_BYTES;
        fits = fits > over ? fits - over : 0;
    }
    return fits;
}

/* A write that reports OK but does not do what was asked. */
static bool file_write_lies(struct os_file *file, const void *from, size_t size)
{
    struct sim *sim = file->sim;
    struct sim_node *node = file->node;

    if (sim_fault_due(sim, SIM_FAULT_LOSE, file->path))
        return true;
    if (!sim_fault_due(sim, SIM_FAULT_MISPLACE, file->path))
        return false;
    if (node->size >= size) {
        uint64_t places = (node->size - size) / SIM_SECTOR_BYTES + 1;

        sim_node_write(node, sim_random(sim, places) * SIM_SECTOR_BYTES, from, size);
    }
    return true;
}

static enum err sim_file_write_op(struct os_file *file, uint64_t offset, const void *from,
                                  size_t size)
{
    struct sim *sim = file->sim;
    struct sim_node *node = file->node;
    size_t fits;
    enum err e;

    sim_preempt(sim);
    sim_trace(sim, "write %s %" PRIu64 "+%zu", file->path, offset, size);
    sim_advance_ms(sim, sim->knobs.write_ms);
    if (!node || !(file->flags & OS_WRITE))
        return ERR_IO;
    e = sim_change_begin(sim);
    if (e)
        return e;
    if (sim_fault_due(sim, SIM_FAULT_WRITE, file->path)) {
        sim_node_write(node, offset, from, sim_random(sim, size + 1));
        return ERR_IO;
    }
    if (sim_fault_due(sim, SIM_FAULT_SPACE, file->path)) {
        sim_node_write(node, offset, from, sim_random(sim, size + 1));
        return ERR_NO_SPACE;
    }
    if (file_write_lies(file, from, size))
        return ERR_OK;
    fits = file_room(sim, node, offset, size);
    if (sim_fault_due(sim, SIM_FAULT_WRITEBACK, file->path))
        sim_node_write_refused(node, offset, from, fits);
    else
        sim_node_write(node, offset, from, fits);
    return fits < size ? ERR_NO_SPACE : ERR_OK;
}

/* Whoever is told of what the disk has refused is told once. */
static enum err file_sync(struct os_file *file)
{
    struct sim_node *node = file->node;

    if (sim_fault_due(file->sim, SIM_FAULT_SYNC, file->path))
        sim_node_sync_failed(node);
    if (file->errors_told == node->errors) {
        sim_node_sync(node);
        return ERR_OK;
    }
    sim_trace(file->sim, "told %s", file->path);
    file->errors_told = node->errors;
    node->errors_seen = true;
    return ERR_IO;
}

static enum err sim_file_sync_op(struct os_file *file)
{
    struct sim *sim = file->sim;
    enum err e;

    sim_preempt(sim);
    sim_trace(sim, "sync %s", file->path);
    if (!file->node)
        return ERR_IO;
    e = sim_change_begin(sim);
    if (!e)
        e = file_sync(file);
    sim_preempt(sim); /* it has been told, and could not say so yet */
    return e;
}

static enum err sim_file_size_op(struct os_file *file, uint64_t *out)
{
    *out = 0;
    if (!file->node || file->sim->off)
        return ERR_IO;
    *out = file->node->size;
    return ERR_OK;
}

static enum err sim_file_truncate_op(struct os_file *file, uint64_t size)
{
    enum err e;

    sim_preempt(file->sim);
    sim_trace(file->sim, "truncate %s %" PRIu64, file->path, size);
    if (!file->node || !(file->flags & OS_WRITE))
        return ERR_IO;
    e = sim_change_begin(file->sim);
    if (e)
        return e;
    sim_node_resize(file->node, size);
    return ERR_OK;
}

static enum err sim_file_allocate_op(struct os_file *file, uint64_t size)
{
    struct sim *sim = file->sim;
    struct sim_node *node = file->node;
    enum err e;

    sim_preempt(sim);
    sim_trace(sim, "allocate %s %" PRIu64, file->path, size);
    if (!node || !(file->flags & OS_WRITE))
        return ERR_IO;
    e = sim_change_begin(sim);
    if (e)
        return e;
    if (sim_fault_due(sim, SIM_FAULT_SPACE, file->path) || file_room(sim, node, 0, size) < size)
        return ERR_NO_SPACE;
    if (size > node->size)
        sim_node_resize(node, size);
    sim_node_reserve(node, 0, size);
    return ERR_OK;
}

static enum err sim_file_punch_op(struct os_file *file, uint64_t offset, uint64_t size)
{
    enum err e;

    sim_preempt(file->sim);
    sim_trace(file->sim, "punch %s %" PRIu64 "+%" PRIu64, file->path, offset, size);
    if (!file->node || !(file->flags & OS_WRITE))
        return ERR_IO;
    e = sim_change_begin(file->sim);
    if (e)
        return e;
    sim_node_punch(file->node, offset, offset + size);
    return ERR_OK;
}

static enum err sim_file_lock_op(struct os_file *file)
{
    struct sim_node *node = file->node;

    if (!node || file->sim->off)
        return ERR_IO;
    if (node->locked_by && node->locked_by != file)
        return ERR_LOCKED;
    node->locked_by = file;
    return ERR_OK;
}

static enum err sim_dir_lock_op(struct os *os, struct os_file **out)
{
    struct sim *sim = sim_of(os);
    struct os_file *file;

    *out = NULL;
    if (sim->off)
        return ERR_IO;
    if (sim_fault_due(sim, SIM_FAULT_ALLOC, NULL))
        return ERR_NOMEM;
    if (sim->root->locked_by)
        return ERR_LOCKED;
    file = sim_malloc(sizeof *file);
    *file = (struct os_file){.sim = sim, .node = sim->root, .flags = OS_READ};
    list_push_back(&sim->files, &file->in_sim);
    sim_node_ref(sim->root);
    sim->root->handles++;
    sim->root->locked_by = file;
    *out = file;
    return ERR_OK;
}

static enum err sim_file_rename_op(struct os *os, const char *from, const char *to)
{
    sim_preempt(sim_of(os));
    sim_trace(sim_of(os), "rename %s %s", from, to);
    return sim_of(os)->off ? ERR_IO : sim_tree_rename(sim_of(os), from, to);
}

static enum err sim_file_remove_op(struct os *os, const char *path)
{
    sim_preempt(sim_of(os));
    sim_trace(sim_of(os), "remove %s", path);
    return sim_of(os)->off ? ERR_IO : sim_tree_remove(sim_of(os), path);
}

static enum err sim_dir_make_op(struct os *os, const char *path)
{
    sim_trace(sim_of(os), "make %s", path);
    return sim_of(os)->off ? ERR_IO : sim_tree_make(sim_of(os), path);
}

static enum err sim_dir_sync_op(struct os *os, const char *path)
{
    struct sim *sim = sim_of(os);
    struct sim_node *node;
    enum err e;

    sim_preempt(sim);
    node = sim_tree_find(sim, path);
    sim_trace(sim, "sync directory %s", path);
    if (!node || !node->is_directory)
        return sim->off ? ERR_IO : ERR_NOT_FOUND;
    e = sim_change_begin(sim);
    if (e)
        return e;
    if (sim_fault_due(sim, SIM_FAULT_SYNC, path))
        return ERR_IO;
    LIST_EACH_SAFE (link, &node->changes) {
        sim_change_free(LIST_ENTRY(link, struct sim_change, in_node));
    }
    return ERR_OK;
}

/* From a random name on, so that nobody gets used to an order. */
static enum err sim_dir_list_op(struct os *os, const char *path,
                                void (*each)(void *context, const char *name), void *context)
{
    struct sim *sim = sim_of(os);
    struct sim_node *node = sim_tree_find(sim, path);
    size_t count, first;

    if (sim->off)
        return ERR_IO;
    if (!node || !node->is_directory)
        return ERR_NOT_FOUND;
    count = node->entry_count;
    first = count ? sim_random(sim, count) : 0;
    for (size_t i = 0; i < count; i++) {
        each(context, node->entries[(first + i) % count].name);
        ASSERT(node->entry_count == count); /* each may not change the directory */
    }
    return ERR_OK;
}

static enum err sim_disk_free_op(struct os *os, uint64_t *out)
{
    struct sim *sim = sim_of(os);
    uint64_t used = sim_disk_used(sim);

    *out = 0;
    if (sim->off)
        return ERR_IO;
    if (sim->disk_limit == SIM_LIMIT_NONE)
        *out = UINT64_C(1) << 40;
    else if (used < sim->disk_limit)
        *out = sim->disk_limit - used;
    return ERR_OK;
}

const struct os_ops sim_ops = {
    .file_open = sim_file_open_op,
    .file_close = sim_file_close_op,
    .file_read = sim_file_read_op,
    .file_read_nowait = sim_file_read_nowait_op,
    .file_write = sim_file_write_op,
    .file_sync = sim_file_sync_op,
    .file_size = sim_file_size_op,
    .file_truncate = sim_file_truncate_op,
    .file_allocate = sim_file_allocate_op,
    .file_punch = sim_file_punch_op,
    .file_lock = sim_file_lock_op,
    .file_rename = sim_file_rename_op,
    .file_remove = sim_file_remove_op,
    .dir_lock = sim_dir_lock_op,
    .dir_make = sim_dir_make_op,
    .dir_sync = sim_dir_sync_op,
    .dir_list = sim_dir_list_op,
    .disk_free = sim_disk_free_op,
    .now_ns = sim_clock_now,
    .day_ms = sim_clock_day,
    .random = sim_random_fill,
    .alloc = sim_memory_alloc,
    .free = sim_memory_free,
    .job_submit = sim_job_submit,
};

/* The file at path, or NULL. */
static struct sim_node *outside_find(struct sim *sim, const char *path)
{
    struct sim_node *node = sim_tree_find(sim, path);

    return node && !node->is_directory ? node : NULL;
}

bool sim_file_size(struct sim *sim, const char *path, uint64_t *out)
{
    struct sim_node *node = outside_find(sim, path);

    *out = node ? node->size : 0;
    return node != NULL;
}

bool sim_file_read(struct sim *sim, const char *path, uint64_t offset, void *to, size_t size)
{
    struct sim_node *node = outside_find(sim, path);

    if (!node || offset > node->size || size > node->size - offset)
        return false;
    if (size > 0)
        memcpy(to, node->data + offset, size);
    return true;
}

bool sim_file_write(struct sim *sim, const char *path, uint64_t offset, const void *from,
                    size_t size)
{
    struct sim_node *node = outside_find(sim, path);

    if (!node || offset > node->size || size > node->size - offset)
        return false;
    if (size > 0)
        sim_node_poke(node, offset, from, size);
    return true;
}

bool sim_file_truncate(struct sim *sim, const char *path, uint64_t size)
{
    struct sim_node *node = outside_find(sim, path);

    if (!node)
        return false;
    sim_node_resize(node, size);
    LIST_EACH_SAFE (link, &node->changes) {
        sim_change_free(LIST_ENTRY(link, struct sim_change, in_node));
    }
    return true;
}

bool sim_rot(struct sim *sim, const char *path, uint64_t offset, size_t size)
{
    uint64_t end = offset + size;
    uint64_t length;

    if (!sim_file_size(sim, path, &length) || offset > length || size > length - offset)
        return false;
    totals_add(TOTAL_FAULTS, 1);
    while (offset < end) {
        uint64_t sector_end = offset - offset % SIM_SECTOR_BYTES + SIM_SECTOR_BYTES;
        uint64_t part = (sector_end < end ? sector_end : end) - offset;
        uint64_t at = offset + sim_random(sim, part);
        uint8_t byte;

        sim_file_read(sim, path, at, &byte, 1);
        byte ^= (uint8_t)(1u << sim_random(sim, 8));
        sim_file_write(sim, path, at, &byte, 1);
        offset += part;
    }
    return true;
}

struct listing {
    char (*paths)[SIM_PATH_BYTES];
    size_t count;
};

static void listing_gather(struct listing *listing, const struct sim_node *directory,
                           const char *beginning)
{
    for (size_t i = 0; i < directory->entry_count; i++) {
        const struct sim_entry *entry = &directory->entries[i];
        size_t before = strlen(beginning), length = strlen(entry->name);
        char path[SIM_PATH_BYTES];

        ASSERT(before + length + 2 <= sizeof path);
        memcpy(path, beginning, before);
        memcpy(path + before, entry->name, length + 1);
        if (entry->node->is_directory) {
            memcpy(path + before + length, "/", 2);
            listing_gather(listing, entry->node, path);
            continue;
        }
        listing->paths = realloc(listing->paths, (listing->count + 1) * sizeof *listing->paths);
        ASSERT(listing->paths);
        memcpy(listing->paths[listing->count++], path, sizeof path);
    }
}

static int path_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

void sim_list(struct sim *sim, void (*each)(void *context, const char *path), void *context)
{
    struct listing listing = {NULL, 0};

    listing_gather(&listing, sim->root, "");
    if (listing.count > 0)
        qsort(listing.paths, listing.count, sizeof *listing.paths, path_compare);
    for (size_t i = 0; i < listing.count; i++)
        each(context, listing.paths[i]);
    free(listing.paths);
}

unsigned sim_open_files(const struct sim *sim)
{
    unsigned count = 0;

    LIST_EACH (link, &sim->files) {
        count += LIST_ENTRY(link, struct os_file, in_sim)->node != NULL;
    }
    return count;
}
