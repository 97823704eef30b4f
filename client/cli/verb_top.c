/* verb_top.c - `top`: what the server does, again and again: rates, the time of a ping, stages,
 * holds. */
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/top.h"
#include "client/cli/verbs.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_S_MAX 3600
#define PINGS 5 /* in each frame: the middle one is shown */

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The middle one of several pings. False: the connection has failed. */
static bool take_ping(struct cli *cli, uint64_t *us)
{
    uint64_t times[PINGS];

    for (unsigned i = 0; i < PINGS; i++) {
        uint64_t begun = now_us(), took;
        unsigned k = i;

        if (hf_ping(cli->conn) != HF_OK)
            return false;
        took = now_us() - begun;
        for (; k > 0 && times[k - 1] > took; k--)
            times[k] = times[k - 1];
        times[k] = took;
    }
    *us = times[PINGS / 2];
    return true;
}

static bool take_sample(struct cli *cli, struct top *top)
{
    struct hf_bytes result;
    uint64_t ping_us;

    if (!take_ping(cli, &ping_us) || hf_status(cli->conn, &result) != HF_OK)
        return false;
    top_status(top, slice_of(result), now_us(), ping_us);
    if (hf_holds(cli->conn, &result) != HF_OK)
        return false;
    top_holds(top, slice_of(result));
    return true;
}

/* Keys come at once and are not shown. */
static bool keys_begin(int fd, struct termios *before)
{
    struct termios keys;

    if (!isatty(fd) || tcgetattr(fd, before) != 0)
        return false;
    keys = *before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    return tcsetattr(fd, TCSANOW, &keys) == 0;
}

/* Wait for the next frame. False: q, the end of input, or Ctrl-C. */
static bool wait_frame(struct cli *cli, int ms, bool keys)
{
    uint64_t until = now_us() + (uint64_t)ms * 1000;

    if (!keys)
        return !interrupt_wait(ms);
    for (;;) {
        struct pollfd ready = {.fd = fileno(cli->in), .events = POLLIN};
        uint64_t now = now_us();
        char key;

        if (interrupt_seen())
            return false;
        if (now >= until)
            return true;
        if (poll(&ready, 1, (int)((until - now + 999) / 1000)) > 0 &&
            (read(ready.fd, &key, 1) <= 0 || key == 'q' || key == 4))
            return false;
    }
}

static void show(struct cli *cli, struct top *top)
{
    struct winsize size = {.ws_row = 0};
    struct hf_pack text = {0};

    if (cli->out_is_terminal)
        ioctl(fileno(cli->out), TIOCGWINSZ, &size);
    top_frame(top, size.ws_col ? size.ws_col : 120, size.ws_row ? size.ws_row : SIZE_MAX,
              &text);
    if (cli->out_is_terminal)
        fputs("\x1b[H\x1b[J", cli->out);
    fwrite(text.data, 1, text.failed ? 0 : text.size, cli->out);
    fflush(cli->out);
    hf_pack_fini(&text);
}

int verb_top(struct cli *cli, const struct args *args)
{
    uint64_t seconds = 1, times = UINT64_MAX;
    struct top top = {.address = cli->address};
    struct termios before;
    bool keys;
    int exit_code;

    if (!args_number(cli, args, "interval", &seconds) ||
        !args_number(cli, args, "times", &times))
        return CLI_USAGE;
    if (seconds == 0 || seconds > INTERVAL_S_MAX)
        return cli_usage(cli, "--interval takes seconds from 1 to %d", INTERVAL_S_MAX);
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    interrupt_catch();
    keys = cli->out_is_terminal && keys_begin(fileno(cli->in), &before);
    for (uint64_t i = 0; i < times && exit_code == CLI_OK; i++) {
        if (i > 0 && !wait_frame(cli, (int)seconds * 1000, keys))
            break;
        if (take_sample(cli, &top))
            show(cli, &top);
        else
            exit_code = interrupt_seen() ? CLI_OK : cli_failed(cli);
    }
    if (keys)
        tcsetattr(fileno(cli->in), TCSANOW, &before);
    top_fini(&top);
    return exit_code;
}
