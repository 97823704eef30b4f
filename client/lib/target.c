#include "client/lib/target.h"
#include "client/lib/holdfast.h"

#define EXPECTED                                                                             \
    "use HOST:PORT, [IPV6]:PORT, unix:/PATH, holdfast://[USER@]HOST[:PORT][/DATABASE] or "   \
    "holdfast+tls://..."

/* Take "host:port", "[host]:port", "[host]", "host" or a bare IPv6 address apart. */
static bool read_place(const char *text, size_t size, struct endpoint *out)
{
    char whole[HOST_SIZE_MAX + 34];
    const char *host_from = whole, *host_to, *colon, *port_from = HF_PORT_DEFAULT;

    if (size >= sizeof whole)
        return false;
    memcpy(whole, text, size);
    whole[size] = '\0';
    if (whole[0] == '[') {
        host_from = whole + 1;
        host_to = strchr(host_from, ']');
        if (!host_to || (host_to[1] != '\0' && host_to[1] != ':'))
            return false;
        if (host_to[1] == ':')
            port_from = host_to + 2;
    } else {
        colon = strrchr(whole, ':');
        host_to = whole + size;
        if (colon && colon == strchr(whole, ':')) { /* more than one: IPv6, no port */
            host_to = colon;
            port_from = colon + 1;
        }
    }
    if (host_to == host_from || host_to - host_from >= HOST_SIZE_MAX)
        return false;
    if (port_from[0] == '\0' || strlen(port_from) >= sizeof out->port)
        return false;
    memcpy(out->host, host_from, (size_t)(host_to - host_from));
    out->host[host_to - host_from] = '\0';
    memcpy(out->port, port_from, strlen(port_from) + 1);
    return true;
}

static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    int n = at ? (int)(at - digits) : -1;

    return n > 15 ? n - 6 : n;
}

/* With %40 for a character that has a meaning of its own. */
static bool read_part(const char *from, size_t size, char *to)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        char c = from[i];

        if (c == '%') {
            int high = i + 2 < size ? digit_of(from[i + 1]) : -1;
            int low = high >= 0 ? digit_of(from[i + 2]) : -1;

            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (used + 1 >= HOST_SIZE_MAX)
            return false;
        to[used++] = c;
    }
    to[used] = '\0';
    return true;
}

static const char *read_url(const char *rest, struct endpoint *out)
{
    const char *slash = strchr(rest, '/');
    size_t size = slash ? (size_t)(slash - rest) : strlen(rest);
    const char *at = memchr(rest, '@', size);

    if (slash && (strchr(slash + 1, '/') || strchr(slash, '?') ||
                  !read_part(slash + 1, strlen(slash + 1), out->database)))
        return EXPECTED;
    if (at && memchr(rest, ':', (size_t)(at - rest)))
        return "an address must not contain a password, which others could see";
    if (at && (at == rest || !read_part(rest, (size_t)(at - rest), out->user)))
        return "the user name before the @ is malformed";
    if (at) {
        size -= (size_t)(at + 1 - rest);
        rest = at + 1;
    }
    return read_place(rest, size, out) ? NULL : EXPECTED;
}

static const char *after(const char *text, const char *beginning)
{
    size_t size = strlen(beginning);

    return strncmp(text, beginning, size) == 0 ? text + size : NULL;
}

const char *target_read(const char *address, struct endpoint *out)
{
    const char *rest;

    memset(out, 0, sizeof *out);
    if ((rest = after(address, "unix:")) || (rest = after(address, "holdfast+unix:"))) {
        out->path = rest;
        return NULL;
    }
    if ((rest = after(address, "holdfast://")))
        return read_url(rest, out);
    out->tls = true;
    if ((rest = after(address, "holdfast+tls://")) || (rest = after(address, "tls://")))
        return read_url(rest, out);
    out->tls = false;
    return read_place(address, strlen(address), out) ? NULL : EXPECTED;
}
