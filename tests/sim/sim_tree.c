/* sim_tree.c - names of the simulated disk: directories, and what a power cut
 * leaves of the operations on them. Each directory forgets its own newest
 * operations; one directory's sync says nothing about another's. */
#include "tests/sim/sim_internal.h"

#include <stdlib.h>
#include <string.h>

static struct sim_entry *directory_find(struct sim_node *directory, const char *name)
{
    for (size_t i = 0; i < directory->entry_count; i++) {
        if (strcmp(directory->entries[i].name, name) == 0)
            return &directory->entries[i];
    }
    return NULL;
}

static void directory_add(struct sim_node *directory, const char *name, struct sim_node *node)
{
    struct sim_entry *entry;

    ASSERT(!directory_find(directory, name));
    if (directory->entry_count == directory->entry_capacity) {
        directory->entry_capacity =
            directory->entry_capacity ? 2 * directory->entry_capacity : 8;
        directory->entries =
            realloc(directory->entries, directory->entry_capacity * sizeof *directory->entries);
        ASSERT(directory->entries);
    }
    entry = &directory->entries[directory->entry_count++];
    memcpy(entry->name, name, strlen(name) + 1);
    entry->node = node;
    sim_node_ref(node);
    node->names++;
}

static void directory_take_out(struct sim_node *directory, const char *name)
{
    struct sim_entry *entry = directory_find(directory, name);
    struct sim_node *node;

    ASSERT(entry);
    node = entry->node;
    *entry = directory->entries[--directory->entry_count];
    node->names--;
    sim_node_unref(node);
}

/* The directory that path lies in, and the name in it; NULL if a directory on
 * the way is not there. */
static struct sim_node *tree_parent(struct sim *sim, const char *path, const char **name)
{
    struct sim_node *at = sim->root;
    const char *slash;

    ASSERT(path[0] != '/' && strlen(path) < SIM_PATH_BYTES && !strstr(path, ".."));
    while ((slash = strchr(path, '/')) != NULL) {
        char part[SIM_PATH_BYTES];
        struct sim_entry *entry;

        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = 0;
        entry = directory_find(at, part);
        if (!entry || !entry->node->is_directory)
            return NULL;
        at = entry->node;
        path = slash + 1;
    }
    *name = path;
    return at;
}

struct sim_node *sim_tree_find(struct sim *sim, const char *path)
{
    const char *name;
    struct sim_node *parent = tree_parent(sim, path, &name);
    struct sim_entry *entry;

    if (!parent)
        return NULL;
    if (name[0] == 0)
        return parent;
    entry = directory_find(parent, name);
    return entry ? entry->node : NULL;
}

/* Note a change of names; what it leads to lives at least as long as the note. */
static void directory_note(struct sim_node *directory, enum sim_change_kind kind,
                           const char *name, const char *to, struct sim_node *node,
                           struct sim_node *replaced)
{
    struct sim_change *change = sim_change_new(directory, kind);

    memcpy(change->name, name, strlen(name) + 1);
    memcpy(change->to, to, strlen(to) + 1);
    change->node = node;
    change->replaced = replaced;
    sim_node_ref(node);
    if (replaced)
        sim_node_ref(replaced);
}

static void directory_do(struct sim_node *directory, enum sim_change_kind kind,
                         const char *name, const char *to, struct sim_node *node)
{
    if (kind != SIM_CHANGE_ADD)
        directory_take_out(directory, name);
    if (kind == SIM_CHANGE_RENAME && directory_find(directory, to))
        directory_take_out(directory, to);
    if (kind != SIM_CHANGE_REMOVE)
        directory_add(directory, kind == SIM_CHANGE_ADD ? name : to, node);
}

static void directory_undo(struct sim_node *directory, const struct sim_change *change)
{
    if (change->kind != SIM_CHANGE_REMOVE)
        directory_take_out(directory,
                           change->kind == SIM_CHANGE_ADD ? change->name : change->to);
    if (change->replaced)
        directory_add(directory, change->to, change->replaced);
    if (change->kind != SIM_CHANGE_ADD)
        directory_add(directory, change->name, change->node);
}

/* Make an empty node under the path. ERR_NOT_FOUND: no such directory. */
static enum err tree_add(struct sim *sim, const char *path, bool is_directory)
{
    const char *name;
    struct sim_node *parent = tree_parent(sim, path, &name);
    struct sim_node *node;
    enum err e;

    if (!parent || name[0] == 0)
        return ERR_NOT_FOUND;
    e = sim_change_begin(sim);
    if (e)
        return e;
    node = sim_node_new(sim, is_directory);
    directory_note(parent, SIM_CHANGE_ADD, name, "", node, NULL);
    directory_do(parent, SIM_CHANGE_ADD, name, "", node);
    sim_node_unref(node);
    return ERR_OK;
}

enum err sim_tree_open(struct sim *sim, const char *path, unsigned flags, struct sim_node **out)
{
    struct sim_node *node = sim_tree_find(sim, path);
    enum err e;

    *out = NULL;
    if (node && (flags & OS_CREATE) && (flags & OS_EXCLUSIVE))
        return ERR_LOCKED;
    if (!node && (flags & OS_CREATE)) {
        e = tree_add(sim, path, false);
        if (e)
            return e;
        node = sim_tree_find(sim, path);
    }
    if (!node)
        return ERR_NOT_FOUND;
    if (node->is_directory)
        return ERR_IO;
    sim_node_ref(node);
    *out = node;
    return ERR_OK;
}

enum err sim_tree_make(struct sim *sim, const char *path)
{
    struct sim_node *node = sim_tree_find(sim, path);

    if (node)
        return node->is_directory ? ERR_OK : ERR_IO;
    return tree_add(sim, path, true);
}

/* Within one directory only: that is all the server needs, and all whose fate in
 * a crash is easily said. */
enum err sim_tree_rename(struct sim *sim, const char *from, const char *to)
{
    const char *from_name, *to_name;
    struct sim_node *parent = tree_parent(sim, from, &from_name);
    struct sim_node *to_parent = tree_parent(sim, to, &to_name);
    struct sim_entry *entry, *target;
    enum err e;

    entry = parent ? directory_find(parent, from_name) : NULL;
    if (!entry || !to_parent)
        return ERR_NOT_FOUND;
    ASSERT(parent == to_parent && !entry->node->is_directory);
    e = sim_change_begin(sim);
    if (e || strcmp(from_name, to_name) == 0)
        return e;
    target = directory_find(parent, to_name);
    ASSERT(!target || !target->node->is_directory);
    directory_note(parent, SIM_CHANGE_RENAME, from_name, to_name, entry->node,
                   target ? target->node : NULL);
    directory_do(parent, SIM_CHANGE_RENAME, from_name, to_name, entry->node);
    return ERR_OK;
}

enum err sim_tree_remove(struct sim *sim, const char *path)
{
    const char *name;
    struct sim_node *parent = tree_parent(sim, path, &name);
    struct sim_entry *entry = parent ? directory_find(parent, name) : NULL;
    enum err e;

    if (!entry)
        return ERR_NOT_FOUND;
    if (entry->node->is_directory)
        return ERR_IO;
    e = sim_change_begin(sim);
    if (e)
        return e;
    directory_note(parent, SIM_CHANGE_REMOVE, name, "", entry->node, NULL);
    directory_do(parent, SIM_CHANGE_REMOVE, name, "", entry->node);
    return ERR_OK;
}

/* Take back all that was not synced, then do the first few again. A directory
 * whose own name was lost goes with all that is in it. */
void sim_tree_crash(struct sim_node *directory)
{
    struct sim *sim = directory->sim;
    uint64_t count = 0, survive;

    LIST_EACH (link, &directory->changes) {
        count++;
    }
    for (struct list_link *link = directory->changes.previous; link != &directory->changes;
         link = link->previous)
        directory_undo(directory, LIST_ENTRY(link, struct sim_change, in_node));
    survive = count ? sim_random(sim, count + 1) : 0;
    if (sim->knobs.survive_percent == 0)
        survive = 0;
    else if (sim->knobs.survive_percent == 100)
        survive = count;
    LIST_EACH_SAFE (link, &directory->changes) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);

        if (survive > 0) {
            survive--;
            directory_do(directory, change->kind, change->name, change->to, change->node);
        }
        sim_change_free(change);
    }
    for (size_t i = 0; i < directory->entry_count; i++) {
        if (directory->entries[i].node->is_directory)
            sim_tree_crash(directory->entries[i].node);
    }
}
