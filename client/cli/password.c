#include "client/cli/password.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define TOO_LONG "the password is longer than 1024 bytes"
#define CTRL_C 3
#define CTRL_D 4
#define CTRL_U 21

const char *password_read_file(const char *path, char *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    const char *why = NULL;
    struct stat st;
    ssize_t n = 0;
    char *end;

    if (fd < 0)
        return errno == ENOENT ? "the file does not exist" : "the file cannot be opened";
    if (fstat(fd, &st))
        why = "it cannot be read";
    else if (S_ISREG(st.st_mode) && st.st_mode & 0077)
        why = "others can read it; run chmod 600 on it";
    else if ((n = read(fd, to, PASSWORD_ROOM - 1)) < 0)
        why = "it cannot be read";
    close(fd);
    if (why)
        return why;
    to[n] = '\0';
    end = to + strcspn(to, "\r\n");
    if (*end == '\0' && n == PASSWORD_ROOM - 1)
        return TOO_LONG;
    *end = '\0';
    return to[0] ? NULL : "its first line is empty";
}

/* One line; nothing of it is echoed, so the keys that edit it are ours to handle. */
static const char *read_line(int fd, char *to)
{
    size_t used = 0;

    for (;;) {
        char c;
        ssize_t n = read(fd, &c, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || c == CTRL_C || (c == CTRL_D && !used))
            return "no password was given";
        if (c == '\n' || c == '\r')
            break;
        if (c == CTRL_U)
            used = 0;
        else if (c == 127 || c == '\b')
            used -= used > 0;
        else if (used == PASSWORD_ROOM - 1)
            return TOO_LONG;
        else
            to[used++] = c;
    }
    to[used] = '\0';
    return used ? NULL : "no password was given";
}

static void put(int fd, const char *text)
{
    ssize_t n = write(fd, text, strlen(text));

    (void)n;
}

const char *password_ask(const char *prompt, char *to)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before, quiet;
    const char *why;

    if (fd < 0 || tcgetattr(fd, &before)) {
        if (fd >= 0)
            close(fd);
        return "no terminal to prompt for it; use a file";
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    tcsetattr(fd, TCSAFLUSH, &quiet); /* before it is asked: nothing typed is shown */
    put(fd, prompt);
    why = read_line(fd, to);
    tcsetattr(fd, TCSAFLUSH, &before);
    put(fd, "\n");
    close(fd);
    return why;
}
