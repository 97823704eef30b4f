/* sim_uv.h - the simulated machine's loop and sockets: what server/net uses of libuv, with the
 * simulated clock, no descriptors and no threads, so that a whole server runs under a seed.
 *
 * A program that calls any function of this header gets the functions of libuv that sim_uv.c
 * defines instead of the library's, and os_uv_attach and os_posix_table that give the server the
 * table of a struct sim. server/net itself is the daemon's, byte for byte.
 *
 * The order of one iteration is libuv's: timers, prepare, poll, closed handles. Poll is the
 * driver's: it is called once in each iteration and plays the clients, the disk and the clock.
 * A socket carries only as many bytes as the driver lets through. */
#ifndef HOLDFAST_TESTS_SIM_SIM_UV_H
#define HOLDFAST_TESTS_SIM_SIM_UV_H

#include "proto/slice.h"
#include "server/os/os_posix.h"
#include "tests/sim/sim_os.h"

#include <uv.h>

struct sim_loop;   /* opaque, owned by the driver */
struct sim_socket; /* the client's end; owned by the loop until sim_loop_free */

/* sim is borrowed. poll is called once in each iteration of the loop. */
struct sim_loop *sim_loop_new(struct sim *sim, void (*poll)(void *context), void *context);

/* Every handle must have been closed; false: one was not. */
bool sim_loop_free(struct sim_loop *loop);

/* What daemon_open is given as its loop and its table. */
uv_loop_t *sim_loop_uv(struct sim_loop *loop);
struct os_posix *sim_loop_posix(struct sim_loop *loop);

/* Nothing can happen before time passes or a job is done: no bytes could move, and no callback is
 * due. */
bool sim_loop_is_quiet(const struct sim_loop *loop);

/* Let time pass up to the next timer, but no more than most_ms. false: no timer is set. */
bool sim_loop_advance_to_timer(struct sim_loop *loop, uint64_t most_ms);

/* Let so many bytes at most of each client arrive, where the server reads, and let what the server
 * has handed over move on, where there is room. */
void sim_loop_move_bytes(struct sim_loop *loop, size_t bytes_max);

/* ---- the client's end ---- */

/* A connection that waits in a listener's queue: connection_accept takes it, with this
 * descriptor. */
#define SIM_SOCKET_FD (-1)
struct sim_socket *sim_socket_connect(struct sim_loop *loop);

/* Where the client is, in an IPv4 network; 0 at first: unknown. Before connection_accept. */
void sim_socket_set_address(struct sim_socket *s, uint32_t address);

/* The client writes. What is sent after it has closed or reset is thrown away. */
void sim_socket_send(struct sim_socket *s, struct slice bytes);
void sim_socket_send_eof(struct sim_socket *s);
/* Both directions end at once, and what has not arrived is lost. */
void sim_socket_reset(struct sim_socket *s);

/* Unread bytes that the client's side of the system takes; no limit at first. */
void sim_socket_set_room(struct sim_socket *s, size_t bytes);

/* What has come for the client; borrowed until the next call of anything here. */
struct slice sim_socket_received(const struct sim_socket *s);
void sim_socket_consume(struct sim_socket *s);

/* The server will send nothing more. */
bool sim_socket_has_ended(const struct sim_socket *s);

#endif
