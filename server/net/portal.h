/* portal.h - a query that gives its rows page by page.
 *
 * A page that its client is not told (its request was given up) comes again: so the rows of the
 * newest page are kept until the next one begins, but for the first, since nobody knows the cursor
 * before it. A row that did not fit into a page is kept, too.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_PORTAL_H
#define HOLDFAST_NET_PORTAL_H

#include "server/net/net_buffer.h"
#include "server/query/query.h"

struct portal {
    struct query *query;     /* owned */
    struct account *account; /* borrowed: of its client */
    size_t counted;          /* bytes of the query in it */
    struct net_buffer page;  /* rows of the newest page */
    uint32_t page_rows;
    bool keeps_page;         /* it is not the first */
    bool replays;            /* the newest page comes again, first */
    struct net_buffer row;   /* which did not fit into the page before; empty: none */
};

struct portal_limits {
    uint64_t rows;
    uint64_t bytes; /* a page has one row in any case */
    size_t start;   /* of the page in out */
};

/* Takes the query, closes it when there is no memory: NULL. */
struct portal *portal_new(struct query *query, struct account *account);
void portal_free(struct portal *p);

/* Count what the query takes now. */
void portal_count(struct portal *p);

/* A page begins. */
void portal_begin_page(struct portal *p);
/* Put rows at the end of out until there are rows_max of them or more than bytes_max bytes; *rows
 * counts them. ERR_OK: the page is full. ERR_END: it was the last. ERR_WAIT: call again; what was
 * put stays. */
enum err portal_put_rows(struct portal *p, struct op *op, struct net_buffer *out, size_t *rows,
                         const struct portal_limits *limits);
/* The newest page is not told. */
void portal_take_back(struct portal *p);

#endif
