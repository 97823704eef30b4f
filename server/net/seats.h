/* seats.h - who may be connected.
 *
 * Clients have so many seats, and behind them some are reserved for administrators, who come
 * over the unix socket as the server's user or as root, or log in: so that when clients have taken
 * all of theirs, somebody can still look and `kill`. Who finds no seat stands for a moment: he may
 * ask once, is told OVERLOADED, and goes. Those places are few, too; without one the socket
 * is closed at once. Who has to log in first has a place among the strangers, and takes a seat
 * when that is done: so those who only knock take nobody's seat, and an administrator who logs in
 * finds one that is reserved.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SEATS_H
#define HOLDFAST_NET_SEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STANDING_MAX 16 /* refused connections that are told so, at once */

enum seat {
    SEAT_CLIENT,
    SEAT_RESERVED, /* an administrator, when clients have all of theirs */
    SEAT_STRANGER, /* one that has not logged in */
    SEAT_STANDING, /* refused; to be told so */
    SEAT_NONE,     /* refused */
};

struct seats {
    uint64_t strangers_max; /* the option strangers */
    uint64_t clients_max;  /* the option connections, or what there are descriptors for */
    uint64_t reserved_max; /* likewise connections-reserved */
    size_t taken[SEAT_NONE];
};

/* so many connections can be had (descriptors) where clients + reserved were asked for. */
void seats_bound(struct seats *s, uint64_t clients, uint64_t reserved, uint64_t available);

/* has_share: the client already has as many connections as one may have. */
enum seat seats_take(struct seats *s, bool is_admin, bool has_share);
/* For one that has to log in: SEAT_STRANGER, SEAT_STANDING or SEAT_NONE. */
enum seat seats_take_stranger(struct seats *s, bool has_share);
void seats_leave(struct seats *s, enum seat seat);

/* Connections that are served. */
size_t seats_served(const struct seats *s);

#endif
