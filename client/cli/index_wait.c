#include "client/cli/index_wait.h"
#include "client/cli/interrupt.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/text.h"
#include "client/cli/value.h"

#define ASK_MS 100

/* Ask for the store's entry of `stores`; none: a message was printed, or there is no such store. */
static struct slice ask_store(struct cli *cli, const char *store, int *exit_code)
{
    struct hf_pack params = {0};
    struct hf_bytes result = {0};

    hf_pack_array(&params, 2);
    hf_pack_nil(&params);
    hf_pack_map(&params, 2);
    hf_pack_text(&params, "from");
    hf_pack_text(&params, store);
    hf_pack_text(&params, "limit");
    hf_pack_uint(&params, 1);
    *exit_code = hf_call(cli->conn, "stores", hf_pack_bytes(&params), &result) == HF_OK
                     ? CLI_OK
                     : cli_failed(cli);
    hf_pack_fini(&params);
    return *exit_code ? SLICE_NONE
                      : value_find(value_field(slice_of(result), "stores"), "name", store);
}

/* "; key 1, record 2": what the records violate. */
static void append_value(struct hf_pack *text, struct slice error, const char *name)
{
    struct slice value = value_field(error, name);

    if (slice_is_none(value))
        return;
    text_printf(text, "; %s ", name);
    json_print(value, JSON_TYPED, text);
}

static int say_failed(struct cli *cli, struct slice error)
{
    struct hf_pack text = {0};

    text_append_slice(&text, value_field_text(error, "name"));
    text_append(&text, ": the build has failed: ");
    text_append_slice(&text, value_field_text(error, "message"));
    append_value(&text, error, "key");
    append_value(&text, error, "record");
    text_append(&text, "; drop the index before it is created again");
    cli_usage(cli, "%.*s", text.failed ? 0 : (int)text.size, (const char *)text.data);
    hf_pack_fini(&text);
    return CLI_REFUSED;
}

/* One look. true: it is over, with *exit_code. */
static bool look(struct cli *cli, const char *store, const char *name, struct progress *p,
                 int *exit_code)
{
    struct slice entry = ask_store(cli, store, exit_code);
    struct slice index = value_find(value_field(entry, "indexes"), "name", name);
    struct slice state = value_field_text(index, "state");

    if (*exit_code)
        return true;
    if (slice_equal(state, slice_text("building"))) {
        uint64_t built = value_field_uint(index, "built", 0);

        p->total = value_field_uint(entry, "records", 0);
        progress_update(p, built, built);
        return false;
    }
    progress_clear(p);
    if (slice_is_none(state)) {
        cli_usage(cli, "index \"%s\" of store \"%s\" was dropped or renamed meanwhile", name,
                  store);
        *exit_code = CLI_REFUSED;
    } else if (slice_equal(state, slice_text("failed"))) {
        *exit_code = say_failed(cli, value_field(index, "error"));
    }
    return true;
}

int index_wait(struct cli *cli, const char *store, const char *index)
{
    struct progress progress;
    int exit_code = CLI_OK;

    progress_begin(&progress, cli->err_is_terminal ? cli->err : NULL, false, 0);
    interrupt_lets_finish();
    interrupt_catch();
    while (!look(cli, store, index, &progress, &exit_code)) {
        if (!interrupt_wait(ASK_MS))
            continue;
        progress_clear(&progress);
        return cli_usage(cli, "interrupted; the build goes on, and `stores` shows its state");
    }
    progress_clear(&progress);
    return exit_code;
}
