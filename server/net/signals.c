/* signals.c - signals through the loop. */
#include "server/net/signals.h"

#include "server/net/log_line.h"
#include "server/net/daemon.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;

    if (number == SIGHUP) {
        daemon_reload(server);
        return;
    }
    if (server->signals++ == 0 && server->state == SERVER_SERVING) {
        daemon_stop(server, EX_OK, number == SIGTERM ? "SIGTERM" : "SIGINT");
        return;
    }
    LOG_TELL(server->log, stopped_at_once);
    _exit(128 + number); /* as a shell says it of a process that a signal ended */
}

void signals_open(struct server *server)
{
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < 3; i++) {
        uv_signal_init(server->reactor.loop, &server->signal_handles[i]);
        server->signal_handles[i].data = server;
        uv_signal_start(&server->signal_handles[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&server->signal_handles[i]);
    }
}

void signals_close(struct server *server)
{
    for (unsigned i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&server->signal_handles[i], NULL);
}
