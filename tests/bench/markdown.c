#include "tests/bench/markdown.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKDOWN_HEADING "## The tables\n"
#define MARKDOWN_NAME_BYTES 64
#define MARKDOWN_SECTIONS_MAX 256

struct section {
    char name[MARKDOWN_NAME_BYTES];
    char *text;
    unsigned order;
};

struct markdown {
    const char *path;
    unsigned (*order)(const char *name);
    char *before; /* the heading included */
    char *after;
    struct section sections[MARKDOWN_SECTIONS_MAX];
    unsigned count;
};

/* The file's bytes and a 0; NULL with errno ENOENT: there is none. */
static char *file_read(const char *path)
{
    FILE *f = fopen(path, "r"), *to;
    char *text = NULL, block[4096];
    size_t size, n;

    if (!f)
        return NULL;
    to = open_memstream(&text, &size);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        fwrite(block, 1, n, to);
    fclose(to);
    fclose(f);
    return text;
}

/* Where a line that starts so begins; the text's end if there is none. */
static char *line_find(char *text, const char *start)
{
    size_t size = strlen(start);

    while (*text && strncmp(text, start, size) != 0) {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return text;
}

static struct section *section_find(struct markdown *p, const char *name)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (strcmp(p->sections[i].name, name) == 0)
            return &p->sections[i];
    }
    return NULL;
}

/* Room for a section before the first that comes after it. */
static struct section *section_add(struct markdown *p, unsigned order)
{
    unsigned at = 0;

    if (p->count == MARKDOWN_SECTIONS_MAX)
        return NULL;
    while (at < p->count && p->sections[at].order <= order)
        at++;
    memmove(&p->sections[at + 1], &p->sections[at], (p->count - at) * sizeof *p->sections);
    p->count++;
    memset(&p->sections[at], 0, sizeof *p->sections);
    p->sections[at].order = order;
    return &p->sections[at];
}

void markdown_put(struct markdown *p, const char *name, const char *text)
{
    struct section *s = section_find(p, name);
    size_t size = strlen(text);

    if (!s)
        s = section_add(p, p->order(name));
    if (!s)
        return;
    while (size > 0 && text[size - 1] == '\n')
        size--;
    snprintf(s->name, sizeof s->name, "%s", name);
    free(s->text);
    s->text = strndup(text, size);
}

/* Cut the tables into sections; the page's text is used up. */
static void markdown_take(struct markdown *p, char *text)
{
    char *at = line_find(text, MARKDOWN_HEADING), *rest;

    if (*at == 0) {
        p->before = malloc(strlen(text) + sizeof MARKDOWN_HEADING + 1);
        sprintf(p->before, "%s%s" MARKDOWN_HEADING, text, *text ? "\n" : "");
        p->after = strdup("");
        return;
    }
    at += strlen(MARKDOWN_HEADING);
    rest = line_find(at, "## ");
    p->after = strdup(rest);
    *rest = 0;
    at = line_find(at, "### ");
    while (*at) {
        char name[MARKDOWN_NAME_BYTES], *next = line_find(at + 1, "### ");
        char first = *next;

        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 4, ":\n"), at + 4);
        *next = 0;
        markdown_put(p, name, at);
        *at = 0; /* ends what is before */
        *next = first;
        at = next;
    }
    p->before = strdup(text);
}

struct markdown *markdown_open(const char *path, unsigned (*order)(const char *name))
{
    struct markdown *p = calloc(1, sizeof *p);
    char *text = file_read(path);

    if (!text && errno != ENOENT) {
        fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
        free(p);
        return NULL;
    }
    p->path = path;
    p->order = order;
    markdown_take(p, text ? text : (text = strdup("")));
    free(text);
    return p;
}

bool markdown_write(const struct markdown *p)
{
    char beside[4096];
    FILE *f;
    bool ok;

    snprintf(beside, sizeof beside, "%s.new", p->path);
    f = fopen(beside, "w");
    if (f) {
        size_t size = strlen(p->before);

        while (size > 0 && p->before[size - 1] == '\n')
            size--;
        fprintf(f, "%.*s\n", (int)size, p->before);
        for (unsigned i = 0; i < p->count; i++)
            fprintf(f, "\n%s\n", p->sections[i].text);
        fprintf(f, "%s%s", *p->after ? "\n" : "", p->after);
    }
    ok = f && fclose(f) == 0 && rename(beside, p->path) == 0;
    if (!ok)
        fprintf(stderr, "bench: %s: %s\n", p->path, strerror(errno));
    return ok;
}

void markdown_free(struct markdown *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->count; i++)
        free(p->sections[i].text);
    free(p->before);
    free(p->after);
    free(p);
}
