#include "client/cli/suggest.h"

#define WORD_MAX 31

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned suggest_distance(const char *a, const char *b)
{
    unsigned row[3][WORD_MAX + 1]; /* the last three lines of the table */
    size_t rows = strlen(a), columns = strlen(b);

    if (rows > WORD_MAX || columns > WORD_MAX)
        return WORD_MAX;
    for (size_t k = 0; k <= columns; k++)
        row[0][k] = (unsigned)k;
    for (size_t i = 1; i <= rows; i++) {
        unsigned *here = row[i % 3], *above = row[(i - 1) % 3], *above2 = row[(i + 1) % 3];

        here[0] = (unsigned)i;
        for (size_t k = 1; k <= columns; k++) {
            here[k] =
                least(least(above[k], here[k - 1]) + 1, above[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                here[k] = least(here[k], above2[k - 2] + 1);
        }
    }
    return row[rows % 3][columns];
}

/* Near enough to be worth a question: a third of the letters may differ, of short words one. */
static void consider(const char *word, const char *candidate, unsigned *nearest,
                     const char **best)
{
    unsigned distance = suggest_distance(word, candidate);
    size_t size = strlen(word);

    /* The beginning of a longer name is a good guess too. */
    if (size >= 2 && strncmp(word, candidate, size) == 0)
        distance = least(distance, 1);
    if (distance < *nearest && distance <= (size <= 3 ? 1 : 1 + size / 3)) {
        *nearest = distance;
        *best = candidate;
    }
}

const char *suggest_verb(const struct verb *verbs, const char *word, bool in_shell)
{
    unsigned nearest = WORD_MAX;
    const char *best = NULL;

    for (const struct verb *v = verbs; v->name; v++) {
        if (!in_shell && (v->kind & VERB_SHELL))
            continue;
        /* What destroys is offered only for what was surely meant to be it: one slip of the pen. */
        if (v->kind & VERB_DESTROYS && suggest_distance(word, v->name) > 1)
            continue;
        consider(word, v->name, &nearest, &best);
    }
    /* What a query begins with, where no verb begins with it too. */
    consider(word, "select", &nearest, &best);
    consider(word, "upsert", &nearest, &best);
    return best;
}

const char *suggest_option(const struct verb_option *own, const struct verb_option *global,
                           const char *word)
{
    unsigned nearest = WORD_MAX;
    const char *best = NULL;

    for (const struct verb_option *o = own; o && o->name; o++)
        consider(word, o->name, &nearest, &best);
    for (const struct verb_option *o = global; o->name; o++)
        consider(word, o->name, &nearest, &best);
    return best;
}
