#include "server/base/event.h"

#include "server/base/assert.h"
#include "server/base/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum fact_type { FACT_NUMBER, FACT_OPTIONAL, FACT_TEXT, FACT_SLICE, FACT_READY };

struct fact {
    const char *name; /* NULL: there are no more */
    enum fact_type type;
    size_t offset; /* in the event's struct */
};

#define FACT(fact, type) {#fact, type, offsetof(self, fact)},
#define NUMBER(fact) FACT(fact, FACT_NUMBER)
#define OPTIONAL(fact) FACT(fact, FACT_OPTIONAL)
#define TEXT(fact) FACT(fact, FACT_TEXT)
#define SLICE(fact) FACT(fact, FACT_SLICE)
#define READY(fact) FACT(fact, FACT_READY)
#define FACTS_OF(name, level, facts)                                      \
    static const struct fact *facts_of_##name(void)                       \
    {                                                                     \
        typedef struct event_##name self;                                 \
        static const struct fact list[] = {facts{NULL, FACT_NUMBER, 0}};  \
                                                                          \
        (void)sizeof(self);                                               \
        return list;                                                      \
    }
EVENT_LIST(FACTS_OF, NUMBER, OPTIONAL, TEXT, SLICE, READY)

#define ROW(name, level, facts) {#name, LOG_LEVEL_##level, facts_of_##name},
static const struct {
    const char *name;
    enum log_level level;
    const struct fact *(*facts)(void);
} events[EVENT_COUNT] = {EVENT_LIST(ROW, NUMBER, OPTIONAL, TEXT, SLICE, READY)};

const char *event_name(enum event event)
{
    ASSERT(event < EVENT_COUNT);
    return events[event].name;
}

enum log_level event_level(enum event event)
{
    ASSERT(event < EVENT_COUNT);
    return events[event].level;
}

struct out { /* what does not fit is left out */
    char *to;
    size_t used, room;
};

static void put(struct out *o, const char *bytes, size_t size)
{
    if (size > o->room - o->used)
        size = o->room - o->used;
    memcpy(o->to + o->used, bytes, size);
    o->used += size;
}

static void put_text(struct out *o, const char *text)
{
    put(o, text, strlen(text));
}

/* Whether the text needs no quotes. */
static bool is_word(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (strchr(" \"\\=", text.data[i]))
            return false; /* NUL too */
    }
    return text.size && text_is_plain(text);
}

static void put_slice(struct out *o, struct slice text)
{
    bool quoted = !is_word(text);

    if (quoted)
        put_text(o, "\"");
    while (text.size) {
        char piece[TEXT_ESCAPE_BYTES];

        if (text.data[0] == '"' || text.data[0] == '\\')
            put_text(o, "\\");
        put(o, piece, text_escape_next(&text, piece));
    }
    if (quoted)
        put_text(o, "\"");
}

static void put_fact(struct out *o, const struct fact *f, const void *at)
{
    struct slice text = SLICE_NONE;
    char number[24];
    uint64_t n = 0;

    if (f->type == FACT_SLICE)
        text = *(const struct slice *)at;
    else if (f->type == FACT_NUMBER || f->type == FACT_OPTIONAL)
        n = *(const uint64_t *)at;
    else if (*(const char *const *)at)
        text = slice_text(*(const char *const *)at);
    if (f->type == FACT_READY) {
        put_text(o, text.size ? " " : "");
        put(o, (const char *)text.data, text.size);
    } else if (f->type == FACT_NUMBER || (f->type == FACT_OPTIONAL && n != EVENT_LEFT_OUT)) {
        put_text(o, " ");
        put_text(o, f->name);
        put(o, number, (size_t)snprintf(number, sizeof number, "=%" PRIu64, n));
    } else if (f->type != FACT_OPTIONAL && !slice_is_none(text)) {
        put_text(o, " ");
        put_text(o, f->name);
        put_text(o, "=");
        put_slice(o, text);
    }
}

size_t event_write(enum event event, const void *facts, char *to, size_t room)
{
    struct out o = {to, 0, room};

    ASSERT(event < EVENT_COUNT);
    for (const struct fact *f = events[event].facts(); f->name; f++)
        put_fact(&o, f, (const uint8_t *)facts + f->offset);
    return o.used;
}
