/* parse.c - see parse.h: the text is fed to the parser that lemon made of grammar.y, which calls
 * the makers here. */
#include "server/query/parse_internal.h"

#include "proto/msgpack.h"
#include "server/base/assert.h"
#include "server/query/grammar.h"

#include <stdarg.h>
#include <stdio.h>

#define EXPECTED_SHOWN_MAX 6
#define TOKEN_LAST T_COLON /* of the grammar */

/* The parser, as lemon makes it. */
void *grammarAlloc(void *(*alloc)(size_t size));
void grammarInit(void *parser);
void grammar(void *parser, int code, struct token token, struct parse *p);
size_t grammar_bytes(void);
size_t grammar_states(const void *parser, uint16_t *to);
bool grammar_accepts(const uint16_t *states, size_t count, int code);

/* ---- errors ---- */

static void place_of(struct slice text, uint32_t place, uint32_t *line, uint32_t *column)
{
    *line = *column = 1;
    for (uint32_t i = 0; i < place && i < text.size; i++) {
        if (text.data[i] == '\n') {
            ++*line;
            *column = 1;
        } else if ((text.data[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

void query_set_place(struct failure *f, enum err e, struct slice text, uint32_t place)
{
    uint32_t line, column;

    place_of(text, place, &line, &column);
    failure_set_line(f, e, line, column);
}

enum err query_refuse_as(struct failure *f, enum err e, struct slice text, uint32_t place,
                         const char *why)
{
    uint32_t line, column;

    place_of(text, place, &line, &column);
    failure_set(f, e, "line %u, column %u: %s", line, column, why);
    failure_set_line(f, e, line, column);
    return e;
}

enum err query_refuse(struct failure *f, struct slice text, uint32_t place, const char *format,
                      ...)
{
    char why[FAILURE_TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    return query_refuse_as(f, ERR_BAD_QUERY, text, place, why);
}

void parse_too_deep(struct parse *p)
{
    if (!p->e)
        p->e =
            query_refuse(p->f, p->text, p->end,
                         "the query is nested too deep; the limit is %u levels (query-depth)",
                         QUERY_DEPTH_MAX);
}

/* Which tokens could have come. */
static void find_expected(struct parse *p)
{
    for (int code = 0; code < PARSE_EXPECTED_MAX && code <= TOKEN_LAST; code++)
        if (grammar_accepts(p->states, p->state_count, code))
            p->expected[p->expected_count++] = code;
}

static bool is_expected(const struct parse *p, int code)
{
    for (unsigned i = 0; i < p->expected_count; i++)
        if (p->expected[i] == code)
            return true;
    return false;
}

/* A token that stands for more than itself in what was expected. */
static bool is_said_otherwise(const struct parse *p, int code)
{
    static const int begin_expressions[] = {
        T_NOT,
        T_MINUS,
        T_PLUS,
        T_ID,
        T_NULL,
        T_MISSING,
        T_TRUE,
        T_FALSE,
        T_INTEGER,
        T_DECIMAL,
        T_TEXT,
        T_BINARY,
        T_LP,
        T_LB,
        T_LC,
        T_PARAMETER,
        T_CASE,
        T_CAST,
        T_NAMED_PARAMETER,
        T_LEFT,
        T_EXISTS,
    };

    if (code > T_ID && code <= T_VALUES) /* they are names there */
        return is_expected(p, T_ID);
    if (!is_expected(p, T_CASE))
        return false;
    for (size_t i = 0; i < sizeof begin_expressions / sizeof *begin_expressions; i++)
        if (begin_expressions[i] == code)
            return true;
    return false;
}

/* Not a word: it would be lost among the commas of a list. */
static bool is_sign(const char *name)
{
    return !(name[0] >= 'a' && name[0] <= 'z');
}

static void say_expected(const struct parse *p, char *to, size_t room)
{
    unsigned shown = 0;
    size_t used = 0;

    to[0] = '\0';
    if (is_expected(p, T_CASE)) {
        used = (size_t)snprintf(to, room, "an expression");
        shown = 1;
    } else if (is_expected(p, T_PLUS)) {
        used = (size_t)snprintf(to, room, "an operator");
        shown = 1;
    }
    for (unsigned i = 0; i < p->expected_count && shown <= EXPECTED_SHOWN_MAX; i++) {
        int code = p->expected[i];
        const char *name = lexer_token_name(code);

        if (!name || is_said_otherwise(p, code) || code == T_SEMICOLON)
            continue;
        if (is_expected(p, T_PLUS) && !is_expected(p, T_CASE) &&
            (code <= T_LB || code == T_ESCAPE))
            continue;
        if (shown == EXPECTED_SHOWN_MAX) {
            snprintf(to + used, room - used, ", ...");
            return;
        }
        used += (size_t)snprintf(to + used, room - used, is_sign(name) ? "%s\"%s\"" : "%s%s",
                                 shown ? ", " : "", name);
        shown++;
        if (used >= room)
            return;
    }
}

void parse_unexpected(struct parse *p, int code, const struct token *t)
{
    char expected[120], found[TEXT_SHOWN_BYTES];

    if (p->e)
        return;
    find_expected(p);
    say_expected(p, expected, sizeof expected);
    if (code == 0)
        snprintf(found, sizeof found, "unexpected end of the query");
    else
        snprintf(found, sizeof found, "unexpected %.80s",
                 text_show(slice_make(p->text.data + t->place, t->end - t->place)));
    p->e = expected[0]
               ? query_refuse(p->f, p->text, t->place, "%s; expected %s", found, expected)
               : query_refuse(p->f, p->text, t->place, "%s", found);
}

/* ---- making nodes ---- */

static void *parse_alloc(struct parse *p, size_t size)
{
    void *memory = p->e ? NULL : arena_alloc(p->arena, size);

    if (memory)
        memset(memory, 0, size);
    else if (!p->e)
        p->e = failure_set(p->f, ERR_NOMEM, "out of memory for the query");
    return memory;
}

static struct ast *parse_new(struct parse *p, enum ast_kind kind, uint32_t place)
{
    struct ast *node = parse_alloc(p, sizeof *node);

    if (!node)
        node = memset(&p->nowhere, 0, sizeof p->nowhere);
    node->kind = kind;
    node->place = place;
    node->end = place; /* until its parts are known: the parser has read a token beyond */
    node->depth = 1;
    return node;
}

static void parse_deepen(struct parse *p, struct ast *node, unsigned below)
{
    if (node == &p->nowhere || below < node->depth)
        return;
    node->depth = (uint16_t)(below + 1);
    if (node->depth > QUERY_DEPTH_MAX)
        parse_too_deep(p);
}

void parse_adopt(struct parse *p, struct ast *node, struct ast **place, struct ast *child)
{
    if (p->e || !child)
        return;
    *place = child;
    if (child->end > node->end)
        node->end = child->end;
    parse_deepen(p, node, child->depth);
}

struct ast *parse_node(struct parse *p, enum ast_kind kind, uint32_t place, struct ast *a,
                       struct ast *b, struct ast *c)
{
    struct ast *node = parse_new(p, kind, place);

    parse_adopt(p, node, &node->a, a);
    parse_adopt(p, node, &node->b, b);
    parse_adopt(p, node, &node->c, c);
    return node;
}

struct ast *parse_leaf(struct parse *p, enum ast_kind kind, const struct token *t,
                       struct slice text)
{
    struct ast *node = parse_new(p, kind, t->place);

    node->end = t->end;
    node->text = text;
    return node;
}

void parse_end_at(struct parse *p, struct ast *node, const struct token *t)
{
    if (!p->e)
        node->end = t->end;
}

struct ast *parse_field(struct parse *p, struct ast *a, const struct token *name)
{
    struct ast *node = parse_node(p, AST_FIELD, a->place, a, NULL, NULL);

    node->text = name->text;
    node->end = name->end;
    return node;
}

struct ast *parse_star_of(struct parse *p, struct ast *a, const struct token *star)
{
    struct ast *node = parse_new(p, AST_ITEM, a->place);

    if (!p->e && a->kind != AST_NAME)
        p->e =
            query_refuse(p->f, p->text, star->place, "expected the name of a source before .*");
    node->text = a->text;
    node->is_star = true;
    node->end = star->end;
    return node;
}

struct ast *parse_parameter(struct parse *p, const struct token *t)
{
    struct ast *node = parse_leaf(p, AST_PARAMETER, t, t->text);

    for (size_t i = 0; i < t->text.size && node->number <= 65536; i++)
        node->number = node->number * 10 + (t->text.data[i] - '0');
    if (!p->e && (node->number == 0 || node->number > 65535))
        p->e =
            query_refuse(p->f, p->text, t->place, "parameters are numbered from $1 to $65535");
    if (node->number > p->statement->parameters)
        p->statement->parameters = node->number;
    return node;
}

struct ast *parse_call(struct parse *p, const struct token *name, struct ast_list list,
                       const struct token *end)
{
    struct ast *node = parse_leaf(
        p, AST_CALL, name,
        name->text.data ? name->text
                        : slice_make(p->text.data + name->place, name->end - name->place));

    parse_adopt_list(p, node, list);
    node->end = end->end;
    return node;
}

struct ast_list parse_list(struct parse *p, struct ast *first)
{
    struct ast_list list = {0};

    parse_append(p, &list, first);
    return list;
}

void parse_append(struct parse *p, struct ast_list *list, struct ast *node)
{
    if (p->e)
        return;
    ASSERT(!node->next);
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
    list->count++;
}

void parse_adopt_list(struct parse *p, struct ast *node, struct ast_list list)
{
    if (p->e)
        return;
    node->list = list;
    for (const struct ast *i = list.first; i; i = i->next) {
        parse_deepen(p, node, i->depth);
        if (i->end > node->end)
            node->end = i->end;
    }
}

struct ast *parse_chain(struct parse *p, enum ast_kind kind, struct ast *a, struct ast *b)
{
    struct ast *node = a;

    /* one in parentheses has a place before its first operand's: it stays by itself */
    if (a->kind != kind || p->e || a->place != a->list.first->place) {
        node = parse_new(p, kind, a->place);
        parse_adopt_list(p, node, parse_list(p, a));
    }
    if (p->e)
        return node;
    parse_append(p, &node->list, b);
    parse_deepen(p, node, b->depth);
    node->end = b->end;
    return node;
}

void parse_adopt_select(struct parse *p, struct ast *node, struct ast_select *select)
{
    node->select = select;
    parse_deepen(p, node, select->depth);
}

struct ast_select *parse_select(struct parse *p, const struct token *t)
{
    struct ast_select *s = parse_alloc(p, sizeof *s);

    if (!s)
        s = memset(&p->no_select, 0, sizeof p->no_select);
    s->place = t->place;
    return s;
}

static void select_deepen(struct ast_select *s, const struct ast *node)
{
    if (node && node->depth > s->depth)
        s->depth = node->depth;
}

static void select_deepen_list(struct ast_select *s, struct ast_list list)
{
    for (const struct ast *i = list.first; i; i = i->next)
        select_deepen(s, i);
}

void parse_select_done(struct parse *p, struct ast_select *s)
{
    if (p->e)
        return;
    select_deepen_list(s, s->items);
    select_deepen_list(s, s->from);
    select_deepen_list(s, s->group);
    select_deepen_list(s, s->order);
    select_deepen(s, s->where);
    select_deepen(s, s->having);
    select_deepen(s, s->limit);
    select_deepen(s, s->offset);
}

struct ast_list parse_rows(struct parse *p, struct ast_list values)
{
    struct ast_list rows = {0};
    struct ast *next;

    for (struct ast *v = values.first; v && !p->e; v = next) {
        next = v->next;
        v->next = NULL;
        parse_append(p, &rows, parse_node(p, AST_ROW, v->place, v, NULL, NULL));
    }
    return rows;
}

struct ast_statement *parse_verb(struct parse *p, enum ast_verb verb)
{
    p->statement->verb = verb;
    return p->statement;
}

void parse_store(struct parse *p, const struct token *name)
{
    p->statement->store = name->text;
    p->statement->store_place = name->place;
}

void parse_index(struct parse *p, const struct token *name)
{
    p->statement->index = name->text;
    p->statement->index_place = name->place;
}

/* ---- the whole ---- */

static void parse_feed(struct parse *p, void *parser)
{
    struct lexer lexer = {.text = p->text, .arena = p->arena};
    struct token token;
    int code;

    do {
        enum err e = lexer_next(&lexer, &code, &token);

        if (e == ERR_BAD_QUERY)
            p->e = query_refuse(p->f, p->text, token.place, "%s", lexer.why);
        else if (e)
            p->e = failure_set(p->f, e, "out of memory for the query");
        if (p->e)
            return;
        if (code)
            p->end = token.end;
        p->state_count = grammar_states(parser, p->states);
        ASSERT(p->state_count <= PARSE_STATES_MAX);
        grammar(parser, code, token, p);
    } while (code && !p->e);
}

enum err query_parse(struct slice text, struct arena *arena, struct ast_statement **out,
                     struct failure *f)
{
    struct parse p = {.text = text, .arena = arena, .f = f};
    void *parser;

    *out = NULL;
    ASSERT(text.size <= QUERY_TEXT_BYTES_MAX);
    if (!msgpack_text_is_utf8(text))
        return failure_set(f, ERR_BAD_QUERY, "the text of the query is not valid UTF-8");
    p.statement = parse_alloc(&p, sizeof *p.statement);
    parser = parse_alloc(&p, grammar_bytes());
    if (p.e)
        return p.e;
    grammarInit(parser);
    parse_feed(&p, parser);
    if (!p.e)
        *out = p.statement;
    return p.e;
}
