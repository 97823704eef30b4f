/* seats.c - see seats.h. */
#include "server/net/seats.h"

#include "server/base/assert.h"

void seats_bound(struct seats *s, uint64_t clients, uint64_t reserved, uint64_t available)
{
    if (available < clients + reserved) {
        if (reserved > available / 4)
            reserved = available / 4;
        if (clients > available - reserved)
            clients = available - reserved;
    }
    ASSERT(clients + reserved <= available);
    s->clients_max = clients;
    s->reserved_max = reserved;
}

static uint64_t standing_max(const struct seats *s)
{
    uint64_t some = s->clients_max / 8 + 1;

    return some < STANDING_MAX ? some : STANDING_MAX;
}

enum seat seats_take(struct seats *s, bool is_admin, bool has_share)
{
    enum seat seat = SEAT_NONE;

    if (!has_share && s->taken[SEAT_CLIENT] < s->clients_max)
        seat = SEAT_CLIENT;
    else if (is_admin && s->taken[SEAT_RESERVED] < s->reserved_max)
        seat = SEAT_RESERVED;
    else if (s->taken[SEAT_STANDING] < standing_max(s))
        seat = SEAT_STANDING;
    if (seat != SEAT_NONE)
        s->taken[seat]++;
    return seat;
}

enum seat seats_take_stranger(struct seats *s, bool has_share)
{
    enum seat seat = SEAT_NONE;

    if (!has_share && s->taken[SEAT_STRANGER] < s->strangers_max)
        seat = SEAT_STRANGER;
    else if (s->taken[SEAT_STANDING] < standing_max(s))
        seat = SEAT_STANDING;
    if (seat != SEAT_NONE)
        s->taken[seat]++;
    return seat;
}

void seats_leave(struct seats *s, enum seat seat)
{
    ASSERT(seat < SEAT_NONE && s->taken[seat] > 0);
    s->taken[seat]--;
}

size_t seats_served(const struct seats *s)
{
    return s->taken[SEAT_CLIENT] + s->taken[SEAT_RESERVED];
}
