#include "client/cli/top.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "proto/msgpack.h"

static struct slice packed(const struct hf_pack *p)
{
    return slice_make(p->data, p->failed ? 0 : p->size);
}

/* ---- Numbers ---- */

static void push(uint64_t values[TOP_SAMPLES], uint64_t value)
{
    memmove(values, values + 1, (TOP_SAMPLES - 1) * sizeof *values);
    values[TOP_SAMPLES - 1] = value;
}

static void series_take(struct top_series *s, uint64_t count, uint64_t us, bool is_first)
{
    uint64_t grown = count > s->last ? count - s->last : 0;

    push(s->values, is_first || us == 0 ? 0 : (grown * 1000000 + us / 2) / us);
    s->last = count;
}

static const char *const class_names[TOP_CLASSES] = {[TOP_READ] = "read",
                                                     [TOP_WRITE] = "write",
                                                     [TOP_COMMIT] = "commit",
                                                     [TOP_QUERY] = "query",
                                                     [TOP_ALL] = "all"};

static uint64_t newest(const uint64_t values[TOP_SAMPLES])
{
    return values[TOP_SAMPLES - 1];
}

void top_status(struct top *top, struct slice status, uint64_t at_us, uint64_t ping_us)
{
    struct slice connections = value_field(status, "connections");
    struct slice transactions = value_field(status, "transactions");
    uint64_t us = at_us - top->at_us;
    bool is_first = top->frames == 0;

    series_take(&top->requests, value_field_uint(connections, "requests", 0), us, is_first);
    series_take(&top->commits, value_field_uint(transactions, "committed", 0), us, is_first);
    series_take(&top->conflicts, value_field_uint(transactions, "conflicts", 0), us, is_first);
    push(top->pings, ping_us);
    for (unsigned i = 0; i < TOP_CLASSES; i++)
        push(top->p99s[i],
             value_field_uint(value_field(value_field(status, "latency"), class_names[i]),
                              "recent_p99_us", 0));
    top->at_us = at_us;
    top->frames++;
    hf_pack_reset(&top->status);
    hf_pack_raw(&top->status, (struct hf_bytes){status.data, status.size});
}

void top_holds(struct top *top, struct slice holds)
{
    hf_pack_reset(&top->holds);
    hf_pack_raw(&top->holds, (struct hf_bytes){holds.data, holds.size});
}

void top_fini(struct top *top)
{
    hf_pack_fini(&top->status);
    hf_pack_fini(&top->holds);
}

/* ---- Text ---- */

void top_plot(const uint64_t *values, size_t count, struct hf_pack *out)
{
    static const char *const blocks[] = {" ",            "\xe2\x96\x81", "\xe2\x96\x82",
                                         "\xe2\x96\x83", "\xe2\x96\x84", "\xe2\x96\x85",
                                         "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88"};
    uint64_t most = 0;

    for (size_t i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    for (size_t i = 0; i < count; i++) /* what is not 0 is seen */
        text_append(out,
                    blocks[values[i] ? 1 + (size_t)((double)values[i] * 7 / (double)most) : 0]);
}

static void add_bytes(struct hf_pack *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double size = (double)bytes;
    size_t unit = 0;

    for (; size >= 1000 && unit < 4; unit++)
        size /= 1000;
    text_printf(out, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

/* The newest samples, as many as there is room for behind what stands there already. */
static void add_plot(struct hf_pack *out, const uint64_t values[TOP_SAMPLES], size_t columns,
                     size_t used)
{
    size_t count = columns > used ? columns - used : 0;

    if (count > TOP_SAMPLES)
        count = TOP_SAMPLES;
    top_plot(values + TOP_SAMPLES - count, count, out);
    text_append(out, "\n");
}

static void add_series(struct hf_pack *out, const char *name,
                       const uint64_t values[TOP_SAMPLES], size_t columns)
{
    text_printf(out, "%-14s %10llu  ", name, (unsigned long long)newest(values));
    add_plot(out, values, columns, 27);
}

static void add_head(const struct top *top, struct hf_pack *out)
{
    struct slice status = packed(&top->status), server = value_field(status, "server");
    uint64_t up_s = value_field_uint(server, "uptime_ms", 0) / 1000;

    text_append(out, "holdfastd ");
    text_append_slice(out, value_field_text(server, "version"));
    text_printf(out, " at %s, up %llu:%02u:%02u, ", top->address,
                (unsigned long long)up_s / 3600, (unsigned)(up_s / 60 % 60),
                (unsigned)(up_s % 60));
    text_append_slice(out, value_field_text(value_field(status, "health"), "state"));
    text_append(out, "\n\n");
}

static void add_rates(const struct top *top, size_t columns, struct hf_pack *out)
{
    struct slice status = packed(&top->status);
    struct slice connections = value_field(status, "connections");

    add_series(out, "requests/s", top->requests.values, columns);
    add_series(out, "commits/s", top->commits.values, columns);
    add_series(out, "conflicts/s", top->conflicts.values, columns);
    add_series(out, "ping, us", top->pings, columns);
    text_printf(
        out, "\nconnections %llu, requests in flight %llu, transactions open %llu\n",
        (unsigned long long)value_field_uint(connections, "open", 0),
        (unsigned long long)value_field_uint(connections, "in_flight", 0),
        (unsigned long long)value_field_uint(value_field(status, "transactions"), "open", 0));
}

/* How long requests took lately; the plot is of the 99th percentile. Nothing of a server that does
 * not say it. */
static void add_latency(const struct top *top, size_t columns, struct hf_pack *out)
{
    struct slice latency = value_field(packed(&top->status), "latency");

    if (slice_is_none(latency))
        return;
    text_printf(out, "\n%-14s %8s %8s %8s\n", "latency, us", "p50", "p99", "max");
    for (unsigned i = 0; i < TOP_CLASSES; i++) {
        struct slice class = value_field(latency, class_names[i]);

        if (i != TOP_ALL && value_field_uint(class, "count", 0) == 0)
            continue;
        text_printf(out, "  %-12s", class_names[i]);
        if (value_field_uint(class, "recent_count", 0) > 0)
            text_printf(out, " %8llu %8llu %8llu  ",
                        (unsigned long long)value_field_uint(class, "recent_p50_us", 0),
                        (unsigned long long)newest(top->p99s[i]),
                        (unsigned long long)value_field_uint(class, "recent_max_us", 0));
        else
            text_printf(out, " %8s %8s %8s  ", "-", "-", "-");
        add_plot(out, top->p99s[i], columns, 43);
    }
}

static void add_storage(const struct top *top, struct hf_pack *out)
{
    struct slice status = packed(&top->status), cache = value_field(status, "cache");
    uint64_t hits = value_field_uint(cache, "hits", 0),
             misses = value_field_uint(cache, "misses", 0);

    text_append(out, "data file ");
    add_bytes(out, value_field_uint(value_field(status, "primary"), "file_bytes", 0));
    text_append(out, ", WAL ");
    add_bytes(out, value_field_uint(value_field(status, "log"), "bytes", 0));
    text_append(out, ", cache ");
    add_bytes(out, value_field_uint(cache, "bytes", 0));
    if (hits + misses > 0)
        text_printf(out, " (%.1f %% hits)", 100.0 * (double)hits / (double)(hits + misses));
    text_append(out, "\n");
}

static void add_stages(const struct top *top, struct hf_pack *out)
{
    struct slice stages = value_field(packed(&top->status), "stages"), stage;
    struct msgpack_cursor at = msgpack_open(stages);
    uint32_t count = 0;

    msgpack_read_array(&at, &count);
    text_append(out, "\nstages\n");
    while (count-- > 0 && msgpack_skip(&at, MSGPACK_DEPTH_MAX, &stage) == ERR_OK) {
        struct slice state = value_field_text(stage, "state");

        text_printf(out, "  %-14.*s %10llu records  ", (int)state.size,
                    (const char *)state.data,
                    (unsigned long long)value_field_uint(stage, "records", 0));
        add_bytes(out, value_field_uint(stage, "bytes", 0));
        text_append(out, "\n");
    }
}

static void add_hold(struct slice hold, struct hf_pack *out)
{
    struct slice kind = value_field_text(hold, "kind"), label = value_field_text(hold, "label");
    struct slice client = value_field_text(hold, "client");
    uint64_t left_out = value_field_uint(hold, "left_out", 0);

    if (left_out) {
        text_printf(out, "  and %llu more\n", (unsigned long long)left_out);
        return;
    }
    text_printf(out, "  %-12.*s %8llu  %8.1f s  idle %6.1f s  ", (int)kind.size,
                (const char *)kind.data,
                (unsigned long long)value_field_uint(hold, "version", 0),
                (double)value_field_uint(hold, "age_ms", 0) / 1000,
                (double)value_field_uint(hold, "idle_ms", 0) / 1000);
    add_bytes(out, value_field_uint(hold, "bytes", 0) + value_field_uint(hold, "held", 0));
    text_append(out, "  ");
    text_escape(out, slice_is_none(label) ? client : label);
    text_append(out, "\n");
}

/* With those that the list has left out. */
static uint64_t count_holds(struct slice holds)
{
    struct msgpack_cursor at = msgpack_open(holds);
    struct slice hold;
    uint32_t count = 0;
    uint64_t all = 0;

    msgpack_read_array(&at, &count);
    while (count-- > 0 && msgpack_skip(&at, MSGPACK_DEPTH_MAX, &hold) == ERR_OK)
        all += value_field_uint(hold, "left_out", 1);
    return all;
}

static void add_holds(const struct top *top, struct hf_pack *out)
{
    struct slice holds = packed(&top->holds), hold;
    struct msgpack_cursor at = msgpack_open(holds);
    uint32_t count = 0;

    msgpack_read_array(&at, &count);
    text_printf(out, "\nholds (%llu)\n", (unsigned long long)count_holds(holds));
    while (count-- > 0 && msgpack_skip(&at, MSGPACK_DEPTH_MAX, &hold) == ERR_OK)
        add_hold(hold, out);
}

/* Lines that fit, cut where they do not. */
static void clip(struct slice text, size_t columns, size_t rows, struct hf_pack *out)
{
    while (text.size > 0 && rows-- > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size, used;
        struct slice line = slice_make(text.data, size);

        text_append_slice(out, slice_make(line.data, text_fit(line, columns, &used)));
        if (rows > 0)
            text_append(out, "\n");
        size += end != NULL;
        text = slice_make(text.data + size, text.size - size);
    }
}

void top_frame(const struct top *top, size_t columns, size_t rows, struct hf_pack *out)
{
    struct hf_pack text = {0};

    add_head(top, &text);
    add_rates(top, columns, &text);
    add_storage(top, &text);
    add_latency(top, columns, &text);
    add_stages(top, &text);
    add_holds(top, &text);
    clip(packed(&text), columns, rows, out);
    hf_pack_fini(&text);
}
