/* config_file.c - lines into options. */
#include "server/net/config_file.h"

#include "server/base/assert.h"
#include "server/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct config_reader {
    const char *path;
    struct options *options;
    config_complain *complain;
    void *context;
    unsigned line;
    unsigned errors;
    unsigned seen[OPTION_COUNT_MAX]; /* the line that set each option; 0: none */
};

static void complain(struct config_reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct config_reader *r, const char *format, ...)
{
    char what[OPTION_ERROR_BYTES + 256];
    char error[OPTION_ERROR_BYTES + 512];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (r->line)
        snprintf(error, sizeof error, "%.200s:%u: %s", r->path, r->line, what);
    else
        snprintf(error, sizeof error, "%.200s: %s", r->path, what);
    r->complain(r->context, error);
    r->errors++;
}

static struct slice trim(struct slice s)
{
    while (s.size && isspace(s.data[0])) {
        s.data++;
        s.size--;
    }
    while (s.size && isspace(s.data[s.size - 1]))
        s.size--;
    return s;
}

/* Cut a comment: a # at the beginning, or after a blank. */
static struct slice without_comment(struct slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] == '#' && (i == 0 || isspace(line.data[i - 1])))
            return slice_make(line.data, i);
    return line;
}

static void unknown_name(struct config_reader *r, struct slice name)
{
    const char *near = option_nearest(name);

    if (near)
        complain(r, "unknown option \"%s\"; did you mean \"%s\"?", text_show(name), near);
    else
        complain(r, "unknown option \"%s\"; see holdfastd --help", text_show(name));
}

static void read_line(struct config_reader *r, struct slice line)
{
    const uint8_t *equals;
    const struct option *option;
    struct slice name, value;
    char error[OPTION_ERROR_BYTES];
    size_t index;

    line = trim(without_comment(line));
    if (line.size == 0)
        return;
    equals = memchr(line.data, '=', line.size);
    if (!equals) {
        complain(r, "expected \"name = value\", a # comment or an empty line, found \"%s\"%s",
                 text_show(line), *line.data == '[' ? "; sections are not supported" : "");
        return;
    }
    name = trim(slice_make(line.data, (size_t)(equals - line.data)));
    value = trim(slice_make(equals + 1, (size_t)(line.data + line.size - equals - 1)));
    option = option_find(name);
    if (!option) {
        unknown_name(r, name);
        return;
    }
    index = (size_t)(option - option_table);
    if (r->seen[index] && option->type != OPTION_LIST) {
        complain(r, "%s: already set on line %u", option->name, r->seen[index]);
        return;
    }
    if (!option_set(r->options, option, value, r->seen[index] != 0, error))
        complain(r, "%s", error);
    if (!r->seen[index])
        r->seen[index] = r->options->line[index] = r->line;
}

unsigned config_text_read(const char *path, struct slice text, struct options *o,
                          config_complain *told, void *context)
{
    struct config_reader r = {.path = path, .options = o, .complain = told, .context = context};

    ASSERT(option_count <= OPTION_COUNT_MAX);
    while (text.size) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;

        r.line++;
        read_line(&r, slice_make(text.data, size));
        size += end != NULL;
        text = slice_make(text.data + size, text.size - size);
    }
    return r.errors;
}

/* A pipe without a writer would keep a running server waiting, so only a file will do. NULL:
 * complained. */
static FILE *open_file(struct config_reader *r, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    FILE *file;

    if (fd < 0 || fstat(fd, &st)) {
        complain(r, "cannot read: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        complain(r, "not a regular file");
    } else {
        file = fdopen(fd, "r");
        if (file)
            return file;
        complain(r, "cannot read: %s", strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

unsigned config_file_read(const char *path, struct options *o, config_complain *told,
                          void *context)
{
    struct config_reader r = {.path = path, .complain = told, .context = context};
    char *text = NULL;
    size_t size = 0;
    unsigned errors = 0;
    FILE *file = open_file(&r, path);

    if (!file)
        return r.errors;
    text = malloc(CONFIG_BYTES_MAX + 1);
    if (text)
        size = fread(text, 1, CONFIG_BYTES_MAX + 1, file);
    if (!text)
        complain(&r, "out of memory");
    else if (ferror(file))
        complain(&r, "cannot read: %s", strerror(errno));
    else if (size > CONFIG_BYTES_MAX)
        complain(&r, "larger than %d bytes", CONFIG_BYTES_MAX);
    else
        errors = config_text_read(path, slice_make(text, size), o, told, context);
    free(text);
    fclose(file);
    return errors + r.errors;
}
