/* cli.c - what verbs share: messages, the connection, arguments that are JSON. */
#include "client/cli/cli.h"
#include "client/cli/interrupt.h"
#include "client/cli/colour.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/password.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "proto/msgpack.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

/* A whole line on standard error, after what went to standard output before it. */
static void say(struct cli *cli, struct slice message)
{
    struct hf_pack text = {0};

    bool colour = cli->colour && cli->err_is_terminal;

    text_append(&text, interrupt_told() ? "\n" : "");
    text_printf(&text, "%s%s:%s ", colour ? COLOUR_ERROR : "", cli->where,
                colour ? COLOUR_END : "");
    text_make_safe(&text, message);
    text_append(&text, "\n");
    if (cli->at_prompt)
        fputs(cli->at_prompt, cli->out);
    cli->at_prompt = NULL;
    fflush(cli->out);
    fwrite(text.data, 1, text.failed ? 0 : text.size, cli->err);
    fflush(cli->err);
    hf_pack_fini(&text);
}

int cli_usage(struct cli *cli, const char *format, ...)
{
    char message[1000];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    say(cli, slice_text(message));
    return CLI_USAGE;
}

/* Whether the error, or the one that failed the transaction before it, is a conflict. */
static bool is_conflict(const struct hf_error *error)
{
    struct slice first = value_field(slice_of(error->details), "error");

    return strcmp(error->class_name, "conflict") == 0 ||
           slice_equal(value_field_text(first, "class"), slice_text("conflict")) ||
           slice_equal(value_field_text(first, "name"), slice_text("CONFLICT"));
}

int cli_exit_of(const struct hf_error *error)
{
    switch (error->code) {
    case HF_OK: return CLI_OK;
    case HF_CONNECTION:
    case HF_TIMEOUT:
    case HF_DEADLINE:
    case HF_PROTOCOL: return CLI_CONNECTION;
    case HF_MISUSE: return CLI_USAGE;
    default: return is_conflict(error) ? CLI_CONFLICT : CLI_REFUSED;
    }
}

/* ---- Errors ---- */

static bool append_field(struct hf_pack *text, struct slice map, const char *before,
                         const char *name)
{
    struct slice value = value_field(map, name);

    if (slice_is_none(value))
        return false;
    text_append(text, before);
    json_print(value, JSON_TYPED, text);
    return true;
}

/* What the message does not say, which names the winner and its label: what was lost, and the
 * winner's commit: "; kind \"write\", store \"s\", key 1; that transaction committed as 37". */
static void append_conflict(struct hf_pack *text, struct slice details)
{
    struct slice winner = value_field(details, "winner");

    append_field(text, details, "; kind ", "kind");
    append_field(text, details, ", store ", "store");
    append_field(text, details, ", key ", "key");
    if (value_field_uint(winner, "commit", 0))
        append_field(text, winner, "; that transaction committed as ", "commit");
}

/* A name in the message, in quotes or by itself; a short one may be part of any sentence. */
static bool has_name(const char *message, struct slice name)
{
    const char *end = message + strlen(message), *at = message;

    while ((at = memmem(at, (size_t)(end - at), name.data, name.size)) != NULL) {
        char before = at > message ? at[-1] : ' ', behind = at[name.size];

        if ((before == '"' && behind == '"') ||
            (name.size > 3 && !isalnum((uint8_t)before) && !isalnum((uint8_t)behind)))
            return true;
        at++;
    }
    return false;
}

/* Whether the message says that detail already: a name in it, or the place, which is shown
 * below. */
static bool is_said(const char *message, struct slice name, struct slice value)
{
    static const char *const shown[] = {"line", "column", "near"};
    struct msgpack_cursor c = msgpack_open(value);
    struct slice text;

    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (slice_equal(name, slice_text(shown[i])))
            return true;
    return msgpack_read_text(&c, &text) == ERR_OK && text.size > 0 && has_name(message, text);
}

/* "; key 1, limit 4096" */
static void append_rest(struct hf_pack *text, const char *message, struct slice details)
{
    struct hf_walk walk = hf_walk((struct hf_bytes){details.data, details.size});
    struct hf_bytes key, value;
    const char *before = "; ";

    while (hf_walk_next(&walk, &key, &value)) {
        struct msgpack_cursor c = msgpack_open(slice_of(key));
        struct slice name;

        if (msgpack_read_text(&c, &name) != ERR_OK || is_said(message, name, slice_of(value)))
            continue;
        text_append(text, before);
        text_append_slice(text, name);
        text_append(text, " ");
        json_print(slice_of(value), JSON_TYPED, text);
        before = ", ";
    }
}

/* What the server said besides, in words. */
static void append_details(struct hf_pack *text, const struct hf_error *error)
{
    struct slice details = slice_of(error->details);
    struct slice first = value_field(details, "error");

    if (error->code == HF_CONFLICT) {
        append_conflict(text, details);
    } else if (error->code == HF_TXN_FAILED && !slice_is_none(first)) {
        text_append(text, ". Cause: ");
        text_append_slice(text, value_field_text(first, "name"));
        text_append(text, ": ");
        text_append_slice(text, value_field_text(first, "message"));
    } else {
        append_rest(text, error->message, details);
    }
}

int cli_report(struct cli *cli, const char *prefix, const struct hf_error *error)
{
    struct hf_pack text = {0};

    text_append(&text, prefix);
    /* Names that the library made up tell people nothing that the message does not. */
    if (error->name[0] && error->code != HF_CONNECTION && error->code != HF_MISUSE)
        text_printf(&text, "%s: ", error->name);
    text_append(&text, error->message[0] ? error->message : "no message");
    append_details(&text, error);
    if (error->code == HF_AUTH_REQUIRED)
        text_append(&text, "; use --user NAME");
    if (error->retry_after_ms)
        text_printf(&text, "; retry after %u ms", error->retry_after_ms);
    if (error->maybe_committed)
        text_append(&text, "; it is unknown whether it was applied");
    say(cli, slice_of_pack(&text));
    hf_pack_fini(&text);
    return cli_exit_of(error);
}

/* What the error means for the shell's open transaction. */
static void txn_judge(struct cli *cli, const struct hf_error *error)
{
    bool ends = strcmp(error->class_name, "conflict") == 0 ||
                strcmp(error->class_name, "limit") == 0 ||
                strcmp(error->class_name, "storage") == 0 || error->code == HF_TXN_FAILED;

    if (!cli->txn || error->code == HF_TIMEOUT || error->code == HF_MISUSE ||
        error->code == HF_CANCELLED)
        return;
    if (error->code == HF_NO_TXN || error->code == HF_CONNECTION ||
        error->code == HF_PROTOCOL) {
        struct hf_txn *t = cli->txn;

        cli->txn = NULL;
        cli->txn_failed = false;
        hf_txn_rollback(t);
        cli_usage(cli, "transaction rolled back: the connection was lost");
    } else if (ends || !cli->txn_continue) {
        cli->txn_failed = true;
    }
}

int cli_failed(struct cli *cli)
{
    struct hf_error error = *hf_conn_error(cli->conn);
    int exit_code = cli_report(cli, "", &error);

    error.details = HF_NONE;
    txn_judge(cli, &error);
    return exit_code;
}

/* ---- The connection ---- */

/* The connection belongs to the database that the line is about. */
static int bind_database(struct cli *cli)
{
    const char *wanted = cli->database ? cli->database : "main";
    char *copy;

    if (strcmp(cli->bound ? cli->bound : "main", wanted) == 0)
        return CLI_OK;
    if (hf_use_database(cli->conn, wanted) != HF_OK)
        return cli_failed(cli);
    copy = strdup(wanted);
    free(cli->bound);
    cli->bound = copy;
    return copy ? CLI_OK : cli_usage(cli, "out of memory");
}

const char *cli_database(const struct cli *cli)
{
    return cli->database ? cli->database : "main";
}

/* The user that the address names; "": none. */
static const char *user_of_address(const char *address, char *room, size_t size)
{
    const char *from = strstr(address, "://"), *at;

    room[0] = '\0';
    if (!from)
        return room;
    from += 3;
    at = memchr(from, '@', strcspn(from, "/"));
    if (at && (size_t)(at - from) < size) {
        memcpy(room, from, (size_t)(at - from));
        room[at - from] = '\0';
    }
    return room;
}

/* The password of whom it logs in as. False: a message was printed. */
static bool take_password(struct cli *cli, char *password)
{
    char prompt[200], named[128];
    const char *user =
        cli->user ? cli->user : user_of_address(cli->address, named, sizeof named);
    const char *why;

    password[0] = '\0';
    if (!user[0])
        return true;
    if (cli->password_file) {
        why = password_read_file(cli->password_file, password);
        if (why)
            cli_usage(cli, "password file %.200s: %s", cli->password_file, why);
        return !why;
    }
    snprintf(prompt, sizeof prompt, "Password of %.100s: ", user);
    why = password_ask(prompt, password);
    if (why)
        cli_usage(cli, "%s (--password-file FILE)", why);
    return !why;
}

static int timeout_ms(const struct cli *cli)
{
    return cli->timeout_ms ? cli->timeout_ms : -1;
}

/* As the same user: the connection still has the password. */
static int reconnect(struct cli *cli)
{
    struct hf_error error;

    if (hf_reconnect(cli->conn) == HF_OK)
        return CLI_OK;
    error = *hf_conn_error(cli->conn);
    error.details = HF_NONE;
    return cli_report(cli, "", &error);
}

static int open_new(struct cli *cli)
{
    struct hf_open_options options = {
        .timeout_ms = timeout_ms(cli),
        .user = cli->user,
        .tls = cli->tls,
        .tls_ca = cli->tls_ca,
        .tls_certificate = cli->tls_certificate,
        .tls_key = cli->tls_key,
    };
    char password[PASSWORD_ROOM];
    struct hf_error error;

    hf_close(cli->conn);
    free(cli->bound);
    cli->bound = NULL;
    cli->conn = NULL;
    if (!take_password(cli, password))
        return CLI_USAGE;
    options.password = password[0] ? password : NULL;
    cli->conn = hf_open(cli->address, &options, &error);
    explicit_bzero(password, sizeof password);
    return cli->conn ? CLI_OK : cli_report(cli, "", &error);
}

int cli_connect(struct cli *cli)
{
    int exit_code;

    interrupt_connection(NULL);
    if (cli->conn && hf_conn_fd(cli->conn) >= 0) {
        hf_set_timeout(cli->conn, timeout_ms(cli));
        interrupt_connection(cli->conn);
        return bind_database(cli);
    }
    exit_code = cli->conn && strcmp(hf_conn_address(cli->conn), cli->address) == 0
                    ? reconnect(cli)
                    : open_new(cli);
    if (exit_code)
        return exit_code;
    interrupt_connection(cli->conn);
    if (cli->on_connect)
        cli->on_connect(cli);
    return bind_database(cli);
}

/* ---- Arguments ---- */

bool cli_parse(struct cli *cli, const char *what, const char *text, struct hf_pack *out)
{
    return cli_parse_as(cli, what, text, cli->style, out);
}

bool cli_parse_as(struct cli *cli, const char *what, const char *text, unsigned style,
                  struct hf_pack *out)
{
    struct json_error error;
    const char *first = text + strspn(text, " \t\r\n");

    if (json_parse(slice_text(text), style, out, &error)) {
        /* A value is one value of its own pack, and nil is none. */
        return true;
    }
    if (*first == '{' || *first == '[' || *first == '"') {
        if (error.line > 1)
            cli_usage(cli, "%s, line %lu, column %lu: %s", what, error.line, error.column,
                      error.message);
        else
            cli_usage(cli, "%s, column %lu: %s", what, error.column, error.message);
        return false;
    }
    if (!msgpack_text_is_utf8(slice_text(text))) {
        cli_usage(cli, "%s: not valid UTF-8", what);
        return false;
    }
    hf_pack_text(out, text);
    return true;
}

const char *cli_name(struct cli *cli, const char *kind, const char *text, char *name)
{
    struct hf_pack packed = {0};
    struct json_error error;
    struct msgpack_cursor cursor;
    struct slice slice = slice_text(text);
    bool ok = true;

    if (text[0] == '"') {
        ok = json_parse(slice_text(text), JSON_TYPED, &packed, &error);
        cursor = msgpack_open(slice_of_pack(&packed));
        ok = ok && msgpack_read_text(&cursor, &slice) == ERR_OK;
    }
    ok = ok && slice.size > 0 && slice.size <= 255 && msgpack_text_is_utf8(slice) &&
         !memchr(slice.data, '\0', slice.size);
    if (ok) {
        memcpy(name, slice.data, slice.size);
        name[slice.size] = '\0';
    } else {
        cli_usage(cli, "invalid %s name \"%.80s\": expected 1 to 255 bytes of UTF-8", kind,
                  text);
    }
    hf_pack_fini(&packed);
    return ok ? name : NULL;
}

const char *cli_store(struct cli *cli, const char *text, char *name)
{
    if (strcmp(text, ".") != 0)
        return cli_name(cli, "store", text, name);
    if (!cli->store)
        cli_usage(cli, "no store is in use; run `use STORE` before \".\"");
    return cli->store;
}
