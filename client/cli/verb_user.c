/* verb_user.c - who may log in, and what they may do. The password never leaves this process: the
 * server is given what it needs to check it. */
#include "client/cli/args.h"
#include "client/cli/output.h"
#include "client/cli/password.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"

#include <stdlib.h>

/* ---- roles ---- */

static size_t word_size(const char *text, const char *ends)
{
    return strcspn(text, ends);
}

/* "read+write" as a list. False: a message was printed. */
static bool pack_rights(struct cli *cli, const char *text, size_t size, struct hf_pack *p)
{
    static const char *const names[] = {"read", "write", "schema"};
    bool set[3] = {false};
    uint32_t count = 0;

    for (size_t at = 0; at <= size;) {
        size_t n = 0;
        int known = -1;

        while (at + n < size && text[at + n] != '+')
            n++;
        for (int i = 0; i < 3; i++)
            if (strlen(names[i]) == n && memcmp(names[i], text + at, n) == 0)
                known = i;
        if (known < 0) {
            cli_usage(cli,
                      "unknown role \"%.*s\"; expected admin, or read, write and schema joined "
                      "by +, followed by :STORES or :DATABASE/STORES",
                      (int)(n < 40 ? n : 40), text + at);
            return false;
        }
        count += !set[known];
        set[known] = true;
        at += n + 1;
    }
    hf_pack_array(p, count);
    for (int i = 0; i < 3; i++)
        if (set[i])
            hf_pack_text(p, names[i]);
    return true;
}

static void pack_text_part(struct hf_pack *p, const char *text, size_t size)
{
    hf_pack_text_bytes(p, (struct hf_bytes){text, size});
}

/* "RIGHTS[:[DATABASE/]STORES]" as a grant. */
static bool pack_grant(struct cli *cli, const char *role, size_t size, struct hf_pack *p)
{
    const char *colon = memchr(role, ':', size);
    size_t rights = colon ? (size_t)(colon - role) : size;
    const char *stores = colon ? colon + 1 : "*";
    size_t stores_size = colon ? size - rights - 1 : 1;
    const char *slash = memchr(stores, '/', stores_size);

    if (!stores_size || (slash && slash + 1 == stores + stores_size)) {
        cli_usage(cli, "role \"%.*s\": expected the name of a store or a pattern such as log_*",
                  (int)(size < 80 ? size : 80), role);
        return false;
    }
    hf_pack_array(p, 3);
    if (slash)
        pack_text_part(p, stores, (size_t)(slash - stores));
    else
        hf_pack_text(p, "main");
    if (slash) {
        stores_size -= (size_t)(slash + 1 - stores);
        stores = slash + 1;
    }
    pack_text_part(p, stores, stores_size);
    return pack_rights(cli, role, rights, p);
}

/* The settings that the roles mean, two pairs: admin and grants. */
static bool pack_roles(struct cli *cli, const char *roles, struct hf_pack *p)
{
    struct hf_pack grants = {0};
    bool admin = false, ok = true;
    uint32_t count = 0;

    for (const char *at = roles; ok && *at;) {
        size_t size = word_size(at, ",");

        if (size == 5 && memcmp(at, "admin", 5) == 0) {
            admin = true;
        } else {
            ok = pack_grant(cli, at, size, &grants);
            count++;
        }
        at += size + (at[size] == ',');
    }
    hf_pack_text(p, "admin");
    hf_pack_bool(p, admin);
    hf_pack_text(p, "grants");
    hf_pack_array(p, count);
    if (count)
        hf_pack_raw(p, hf_pack_bytes(&grants));
    hf_pack_fini(&grants);
    return ok;
}

/* ---- passwords ---- */

static bool ask_twice(struct cli *cli, const char *name, char *password)
{
    char prompt[200], again[PASSWORD_ROOM];
    const char *why;
    bool same;

    snprintf(prompt, sizeof prompt, "Password of %.100s: ", name);
    why = password_ask(prompt, password);
    if (!why)
        why = password_ask("Again: ", again);
    same = !why && strcmp(password, again) == 0;
    explicit_bzero(again, sizeof again);
    if (why)
        cli_usage(cli, "%s (--new-password-file FILE)", why);
    else if (!same)
        cli_usage(cli, "the passwords differ");
    return same;
}

/* One pair: the verifier. False: a message was printed. */
static bool pack_password(struct cli *cli, const struct args *args, const char *name,
                          struct hf_pack *p)
{
    const char *file = args_option(args, "new-password-file");
    char password[PASSWORD_ROOM], verifier[HF_VERIFIER_BYTES];
    const char *why = file ? password_read_file(file, password) : NULL;
    bool ok = false;

    if (why)
        cli_usage(cli, "password file %.200s: %s", file, why);
    else if (file || ask_twice(cli, name, password)) {
        why = hf_password_fault(password);
        if (why)
            cli_usage(cli, "%s", why);
        else
            ok = hf_password_verifier(password, verifier, sizeof verifier) == HF_OK;
    }
    explicit_bzero(password, sizeof password);
    hf_pack_text(p, "verifier");
    if (ok)
        hf_pack_text(p, verifier);
    return ok;
}

/* ---- what is done ---- */

static int call(struct cli *cli, const char *method, struct hf_pack *params)
{
    struct hf_bytes result;
    int exit_code = cli_connect(cli);

    if (!exit_code && hf_call(cli->conn, method, hf_pack_bytes(params), &result) != HF_OK)
        exit_code = cli_report(cli, "", hf_conn_error(cli->conn));
    hf_pack_fini(params);
    return exit_code;
}

static bool pack_uid(struct cli *cli, const char *uid, struct hf_pack *p)
{
    uint64_t n = 0;

    hf_pack_text(p, "uid");
    if (strcmp(uid, "none") == 0) {
        hf_pack_nil(p);
        return true;
    }
    if (!args_parse_number(cli, "uid", uid, UINT32_MAX - 1u, &n))
        return false;
    hf_pack_uint(p, n);
    return true;
}

/* add and alter: what is not said stays, or is nothing. */
static int put_user(struct cli *cli, const struct args *args, bool is_new)
{
    const char *name = args->positional[1], *roles = args_option(args, "role");
    const char *uid = args_option(args, "uid");
    bool password =
        is_new ? !args_option(args, "no-password") && !uid
               : args_option(args, "password") || args_option(args, "new-password-file");
    struct hf_pack params = {0};
    bool ok = true;

    if (is_new && args_option(args, "new-password-file"))
        password = true;
    if (!is_new && !password && !roles && !uid)
        return cli_usage(cli, "nothing to alter: give --role, --uid, --password or "
                              "--new-password-file");
    hf_pack_array(&params, 2);
    hf_pack_text(&params, name);
    hf_pack_map(&params, (roles ? 2u : 0u) + password + (uid != NULL));
    if (roles)
        ok = pack_roles(cli, roles, &params);
    if (ok && uid)
        ok = pack_uid(cli, uid, &params);
    if (ok && password)
        ok = pack_password(cli, args, name, &params);
    if (!ok) {
        hf_pack_fini(&params);
        return CLI_USAGE;
    }
    return call(cli, is_new ? "create_user" : "alter_user", &params);
}

static int drop_user(struct cli *cli, const char *name)
{
    struct hf_pack params = {0};

    hf_pack_array(&params, 1);
    hf_pack_text(&params, name);
    return call(cli, "drop_user", &params);
}

static int list_users(struct cli *cli)
{
    static const uint8_t none[] = {0x90};
    struct hf_bytes result;
    int exit_code = cli_connect(cli);

    if (exit_code)
        return exit_code;
    if (hf_call(cli->conn, "users", (struct hf_bytes){none, sizeof none}, &result) != HF_OK)
        return cli_report(cli, "", hf_conn_error(cli->conn));
    if (cli_tables(cli) && value_is_empty_list(slice_of(result)))
        fprintf(cli->out, "(no users)\n");
    else
        output_value(cli, slice_of(result));
    return CLI_OK;
}

int verb_user(struct cli *cli, const struct args *args)
{
    const char *action = args->positional[0];

    if (strcmp(action, "list") == 0 && args->count == 1)
        return list_users(cli);
    if (args->count != 2)
        return cli_usage(
            cli, "expected user add NAME, user alter NAME, user drop NAME or user list");
    if (strcmp(action, "add") == 0 || strcmp(action, "alter") == 0)
        return put_user(cli, args, strcmp(action, "add") == 0);
    if (strcmp(action, "drop") == 0)
        return drop_user(cli, args->positional[1]);
    return cli_usage(cli, "unknown action \"%.40s\"; expected add, alter, drop or list",
                     action);
}
