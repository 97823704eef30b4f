/* Checks of the lives: of the disk before a start, and of the database while it runs. Where nothing
 * has rotted they find nothing. */
#include "server/txn/check_data.h"
#include "tests/sim/life_internal.h"

#include <string.h>

static bool has_rotted(const struct life *l)
{
    return l->victim < MODEL_STORES || l->is_copy_rotten;
}

/* What is found where a page of an index has rotted is said of that index. words: how it is called,
 * NULL: not yet. */
static void judge_rotten(struct life *l, const struct finding *n, const char *words)
{
    for (unsigned i = 0; i < l->rotten_count; i++) {
        if (!l->rotten[i].is_of_index || strcmp(n->file, PRIMARY_FILE) != 0 ||
            n->offset != l->rotten[i].at)
            continue;
        LIFE_CHECK(l, n->store == l->rotten[i].tree || strstr(n->text, "index \""),
                   "the damage at %llu is said of tree %u, and is of %u: %s",
                   (unsigned long long)n->offset, n->store, l->rotten[i].tree, n->text);
        LIFE_CHECK(l,
                   !words || strstr(words, "index \"") == words || strstr(words, "no longer") ||
                       strstr(n->text, "index \""),
                   "the damage of an index at %llu is said of %s",
                   (unsigned long long)n->offset, words);
        l->counts->index_named++;
        return;
    }
}

static void nobody_reads(void *context, const struct finding *n, const char *tree)
{
    struct life *l = context;

    judge_rotten(l, n, tree);
    LIFE_CHECK(l, has_rotted(l) || n->is_repaired, "the check finds: %s offset %llu: %s %s",
               n->file, (unsigned long long)n->offset, tree, n->text);
}

void life_check_disk(struct life *l)
{
    struct findings found;
    struct check_data check = {.to = &found, .found = nobody_reads, .context = l};
    struct failure f;
    enum err e;

    if (sim_is_off(l->sim) || !sim_chance(l->sim, 40))
        return;
    failure_init(&f);
    findings_init(&found, sim_table(l->sim));
    check.options = l->db_options;
    e = check_data_run(sim_table(l->sim), &check, &f);
    LIFE_CHECK(l,
               e == ERR_OK || sim_is_off(l->sim) || e == ERR_NOT_FOUND || life_excuses(l, e) ||
                   has_rotted(l),
               "the check of the disk answered %s: %s", err_name(e), f.text);
    l->counts->disk_checks += e == ERR_OK;
    findings_fini(&found);
    failure_clear(&f);
}

static void check_done(struct online_check *c, enum err e)
{
    struct life *l = LIST_ENTRY(c, struct life, check);
    const struct findings *found = e ? NULL : online_check_findings(c);

    LIFE_CHECK(l, e == ERR_OK || e == ERR_SHUTDOWN || life_excuses(l, e), "a check answered %s",
               err_name(e));
    LIFE_CHECK(l,
               !found || has_rotted(l) || l->options->faults || !findings_all(found) ||
                   sim_is_off(l->sim), /* then nothing can be read */
               "a check finds: %s offset %llu: %s", found->items[0].file,
               (unsigned long long)found->items[0].offset, found->items[0].text);
    for (size_t i = 0; found && i < found->count; i++)
        judge_rotten(l, &found->items[i], NULL);
    l->counts->checks += e == ERR_OK;
    l->is_checked = true;
}

void life_check_online(struct life *l)
{
    struct failure f;

    if (l->is_checked) {
        online_check_end(&l->check);
        l->is_checked = false;
    }
    if (l->check.run) {
        if (sim_chance(l->sim, 10)) {
            online_check_end(&l->check);
            l->counts->checks_ended++;
        }
        return;
    }
    failure_init(&f);
    l->check.done = check_done;
    online_check_begin(l->db, &l->check, &f); /* it may have no memory, or the log has failed */
    failure_clear(&f);
}

void life_check_forget(struct life *l)
{
    online_check_end(&l->check);
    l->is_checked = false;
}
