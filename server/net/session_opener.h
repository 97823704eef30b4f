/* session_opener.h - the openers of a client by its numbers, and what it is sent about them.
 *
 *     [2, "$versionchange", [o, name, old, to]]   the database will be upgraded; to nil: dropped
 *     [2, "$blocked",       [o, name, old, to]]   others have been asked and are still attached;
 *                                                 o nil: of a drop
 *
 * `attach` asks for these pushes, and a drop for its own; they are sent whether the client reads or
 * not, and each opener has one at most under way.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SESSION_OPENER_H
#define HOLDFAST_NET_SESSION_OPENER_H

#include "server/net/request.h"
#include "server/txn/openers.h"

struct session_opener {
    struct opener core;
    struct session *session;
    uint32_t o;
    bool is_asked;               /* a push is due */
    struct list_link in_pushes;  /* server.opener_pushes */
    struct list_link in_session; /* session.opener_list */
};

/* NULL: it is none, or none any more. */
struct session_opener *session_opener_find(struct session *s, uint32_t o);
/* The same; where there is none it is made, of the session's database. ERR_OVERLOADED. */
enum err session_opener_take(struct session *s, uint32_t o, struct failure *f,
                             struct session_opener **out);
/* Detach it, whatever it is at. */
void session_opener_end(struct session_opener *opener);
/* How many there are; those that are none any more are freed. */
size_t session_openers_count(struct session *s);

/* The client has closed its side: it can answer nothing any more. What is in the way of others, or
 * waits for them, ends; an upgrade that has begun goes on to its end. */
void session_openers_give_up(struct session *s);

/* The database is not free for r's upgrade or drop. */
void session_opener_blocked(struct op *op);

/* In a turn, behind the replies that had to be told first: send what is due. */
void session_opener_turn(struct server *server);

#endif
