#include "server/storage/unit_set.h"

#include <string.h>

#define ROOM_FIRST 65536u

void unit_set_fini(struct unit_set *s)
{
    if (s->os)
        os_free(s->os, s->words, s->room / 8);
    s->words = NULL;
    s->room = s->count = 0;
}

static enum err unit_set_grow(struct unit_set *s, uint64_t end)
{
    uint64_t room = s->room ? s->room : ROOM_FIRST;
    uint64_t *words;

    if (end <= s->room)
        return ERR_OK;
    while (room < end)
        room *= 2;
    ASSERT(room % 64 == 0);
    words = os_alloc(s->os, room / 8);
    if (!words)
        return ERR_NOMEM;
    if (s->room)
        memcpy(words, s->words, s->room / 8);
    memset((uint8_t *)words + s->room / 8, 0, (room - s->room) / 8);
    os_free(s->os, s->words, s->room / 8);
    s->words = words;
    s->room = room;
    return ERR_OK;
}

enum err unit_set_add(struct unit_set *s, uint64_t start, uint64_t count, bool *had)
{
    enum err e = unit_set_grow(s, start + count);

    if (had)
        *had = false;
    if (e)
        return e;
    ASSERT(start + count <= s->room);
    for (uint64_t unit = start; unit < start + count; unit++) {
        uint64_t bit = UINT64_C(1) << unit % 64;

        if (s->words[unit / 64] & bit) {
            if (had)
                *had = true;
        } else {
            s->words[unit / 64] |= bit;
            s->count++;
        }
    }
    return ERR_OK;
}

bool unit_set_has(const struct unit_set *s, uint64_t start, uint64_t count)
{
    for (uint64_t unit = start; unit < start + count; unit++)
        if (!unit_set_has_one(s, unit))
            return false;
    return true;
}
