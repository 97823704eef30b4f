// grammar.y - the grammar of queries, for lemon. docs/query.md says what it means.
%include {
#include "server/query/parse_internal.h"
}
%name grammar
%token_prefix T_
%token_type {struct token}
%default_type {struct ast *}
%extra_argument {struct parse *p}
%start_symbol input
%stack_size 400
%stack_overflow { parse_too_deep(p); }
%syntax_error { parse_unexpected(p, yymajor, &yyminor); }
// What could have stood in the place of an error: by the time that an error is found, what was
// read before may have been reduced as if nothing came behind it. So the states are kept before
// each token, and each token is tried on them without its actions.
%code {
size_t grammar_bytes(void)
{
    return sizeof(yyParser);
}

size_t grammar_states(const void *parser, uint16_t *to)
{
    const yyParser *y = parser;
    size_t count = (size_t)(y->yytos - y->yystack) + 1;

    for (size_t i = 0; i < count; i++)
        to[i] = y->yystack[i].stateno;
    return count;
}

bool grammar_accepts(const uint16_t *before, size_t count, int code)
{
    uint16_t states[YYSTACKDEPTH];

    memcpy(states, before, count * sizeof *before);
    for (;;) {
        YYACTIONTYPE act = yy_find_shift_action((YYCODETYPE)code, states[count - 1]);
        int rule = act - YY_MIN_REDUCE;

        if (act <= YY_MAX_SHIFTREDUCE || act == YY_ACCEPT_ACTION)
            return true;
        if (act < YY_MIN_REDUCE)
            return false;
        count -= (size_t)-yyRuleInfoNRhs[rule];
        if (count == 0 || count == YYSTACKDEPTH)
            return false;
        act = yy_find_reduce_action(states[count - 1], yyRuleInfoLhs[rule]);
        if (act == YY_ACCEPT_ACTION)
            return true;
        states[count++] = act;
    }
}
}

%left OR.
%left AND.
%right NOT.
%left IS LIKE BETWEEN IN EQ NE.
%left LT LE GT GE.
%right ESCAPE.
%left CONCAT.
%left PLUS MINUS.
%left STAR SLASH PERCENT.
%right UMINUS.
%left DOT LB.

// Words that are names wherever they mean nothing else.
%fallback ID
  ANALYZE AT FIRST GENERATE IF INDEX KEY LAST MULTI NULLS STORE TIMESTAMP VALUE VALUES.

input ::= statement semicolons.
input ::= EXPLAIN statement semicolons.
  { p->statement->is_explained = true; }
input ::= EXPLAIN ANALYZE statement semicolons.
  { p->statement->is_explained = p->statement->is_analyzed = true; }
semicolons ::= .
semicolons ::= semicolons SEMICOLON.

// ---- select ----

%type select {struct ast_select *}
statement ::= select(S). { parse_verb(p, AST_SELECT)->select = S; }

select(S) ::= SELECT(T) distinct(D) what(W) from(F) where(C) group(G) order(O) limit(L).
{
    S = parse_select(p, &T);
    S->is_distinct = D;
    S->is_value = W.is_value;
    S->items = W.items;
    S->from = F;
    S->where = C;
    S->group = G.list;
    S->is_grouped = G.is_grouped;
    S->having = G.having;
    S->order = O;
    S->limit = L.limit;
    S->offset = L.offset;
    parse_select_done(p, S);
}

%type distinct {bool}
distinct(D) ::= . { D = false; }
distinct(D) ::= ALL. { D = false; }
distinct(D) ::= DISTINCT. { D = true; }

%type what {struct parse_what}
what(W) ::= items(L). { W = (struct parse_what){.items = L}; }
what(W) ::= VALUE expr(E).
{
    W = (struct parse_what){.is_value = true};
    parse_append(p, &W.items, parse_node(p, AST_ITEM, E->place, E, NULL, NULL));
}

%type items {struct ast_list}
items(L) ::= item(I). { L = parse_list(p, I); }
items(L) ::= items(M) COMMA item(I). { L = M; parse_append(p, &L, I); }
item(I) ::= STAR(T). { I = parse_leaf(p, AST_ITEM, &T, SLICE_NONE); I->is_star = true; }
item(I) ::= atom(A) DOT STAR(T). { I = parse_star_of(p, A, &T); }
item(I) ::= expr(E). { I = parse_node(p, AST_ITEM, E->place, E, NULL, NULL); }
item(I) ::= expr(E) AS name(N).
  { I = parse_node(p, AST_ITEM, E->place, E, NULL, NULL); I->alias = N.text; }
item(I) ::= expr(E) ID(N).
  { I = parse_node(p, AST_ITEM, E->place, E, NULL, NULL); I->alias = N.text; }

// What stands behind AS may be any word in quotes, or a name.
%type name {struct token}
name(N) ::= ID(T). { N = T; }

%type from {struct ast_list}
from(L) ::= . { L = (struct ast_list){0}; }
from(L) ::= FROM sources(M). { L = M; }
%type sources {struct ast_list}
sources(L) ::= source(S). { L = parse_list(p, S); }
sources(L) ::= sources(M) COMMA source(S). { L = M; parse_append(p, &L, S); }
sources(L) ::= sources(M) CROSS JOIN source(S). { L = M; parse_append(p, &L, S); }
sources(L) ::= sources(M) inner JOIN source(S) ON expr(E).
{
    L = M;
    S->number = AST_JOIN_INNER;
    parse_adopt(p, S, &S->b, E);
    parse_append(p, &L, S);
}
sources(L) ::= sources(M) LEFT outer JOIN source(S) ON expr(E).
{
    L = M;
    S->number = AST_JOIN_LEFT;
    parse_adopt(p, S, &S->b, E);
    parse_append(p, &L, S);
}
inner ::= .
inner ::= INNER.
outer ::= .
outer ::= OUTER.

source(S) ::= ID(N) alias(A).
  { S = parse_leaf(p, AST_SOURCE, &N, N.text); S->alias = A.text; }
source(S) ::= LP(T) select(Q) RP alias(A).
{
    S = parse_leaf(p, AST_SOURCE, &T, SLICE_NONE);
    parse_adopt_select(p, S, Q);
    S->alias = A.text;
}
source(S) ::= UNNEST(T) LP expr(E) RP alias(A) at(P).
{
    S = parse_leaf(p, AST_SOURCE, &T, SLICE_NONE);
    parse_adopt(p, S, &S->a, E);
    S->alias = A.text;
    S->at = P.text;
}
%type alias {struct token}
alias(A) ::= . { A = (struct token){0}; }
alias(A) ::= ID(N). { A = N; }
alias(A) ::= AS name(N). { A = N; }
%type at {struct token}
at(P) ::= . { P = (struct token){0}; }
at(P) ::= AT name(N). { P = N; }

where(C) ::= . { C = NULL; }
where(C) ::= WHERE expr(E). { C = E; }

%type group {struct parse_group}
group(G) ::= having(H). { G = (struct parse_group){.having = H}; }
group(G) ::= GROUP BY exprs(L) having(H).
  { G = (struct parse_group){.list = L, .is_grouped = true, .having = H}; }
having(H) ::= . { H = NULL; }
having(H) ::= HAVING expr(E). { H = E; }

%type order {struct ast_list}
order(L) ::= . { L = (struct ast_list){0}; }
order(L) ::= ORDER BY terms(M). { L = M; }
%type terms {struct ast_list}
terms(L) ::= term(T). { L = parse_list(p, T); }
terms(L) ::= terms(M) COMMA term(T). { L = M; parse_append(p, &L, T); }
term(T) ::= expr(E) direction(D) nulls(N).
{
    T = parse_node(p, AST_ORDER, E->place, E, NULL, NULL);
    T->is_descending = D;
    T->number = N;
}
%type direction {bool}
direction(D) ::= . { D = false; }
direction(D) ::= ASC. { D = false; }
direction(D) ::= DESC. { D = true; }
%type nulls {uint32_t}
nulls(N) ::= . { N = AST_NULLS_USUAL; }
nulls(N) ::= NULLS FIRST. { N = AST_NULLS_FIRST; }
nulls(N) ::= NULLS LAST. { N = AST_NULLS_LAST; }

%type limit {struct parse_limit}
limit(L) ::= . { L = (struct parse_limit){0}; }
limit(L) ::= LIMIT expr(A). { L = (struct parse_limit){.limit = A}; }
limit(L) ::= LIMIT expr(A) OFFSET expr(B). { L = (struct parse_limit){.limit = A, .offset = B}; }
limit(L) ::= OFFSET expr(B). { L = (struct parse_limit){.offset = B}; }
limit(L) ::= OFFSET expr(B) LIMIT expr(A). { L = (struct parse_limit){.limit = A, .offset = B}; }

// ---- statements that write ----

%type into {struct ast_statement *}
into(S) ::= INSERT INTO ID(N).
  { S = parse_verb(p, AST_INSERT); parse_store(p, &N); }
into(S) ::= UPSERT INTO ID(N).
  { S = parse_verb(p, AST_UPSERT); parse_store(p, &N); }

statement ::= into(S) VALUE expr(E) returning.
  { S->rows = parse_list(p, parse_node(p, AST_ROW, E->place, E, NULL, NULL)); }
statement ::= into(S) VALUES exprs(L) returning.
  { S->rows = parse_rows(p, L); }
statement ::= into(S) KEY expr(K) VALUE expr(E) returning.
  { S->rows = parse_list(p, parse_node(p, AST_ROW, K->place, E, K, NULL)); }
statement ::= into(S) LP names(C) RP VALUES tuples(L) returning.
  { S->columns = C; S->rows = L; }
statement ::= into(S) select(Q) returning. { S->select = Q; }

%type names {struct ast_list}
names(L) ::= ID(N). { L = parse_list(p, parse_leaf(p, AST_NAME, &N, N.text)); }
names(L) ::= names(M) COMMA ID(N).
  { L = M; parse_append(p, &L, parse_leaf(p, AST_NAME, &N, N.text)); }
%type tuples {struct ast_list}
tuples(L) ::= tuple(T). { L = parse_list(p, T); }
tuples(L) ::= tuples(M) COMMA tuple(T). { L = M; parse_append(p, &L, T); }
tuple(T) ::= LP(A) exprs(L) RP(Z).
  { T = parse_leaf(p, AST_ROW, &A, SLICE_NONE); parse_adopt_list(p, T, L); parse_end_at(p, T, &Z); }

statement ::= UPDATE target SET sets(L) unset(U) where(C) returning.
{
    p->statement->verb = AST_UPDATE;
    p->statement->sets = L;
    p->statement->unsets = U;
    p->statement->where = C;
}
statement ::= UPDATE target UNSET exprs(U) where(C) returning.
{
    p->statement->verb = AST_UPDATE;
    p->statement->unsets = U;
    p->statement->where = C;
}
statement ::= DELETE FROM target where(C) returning.
{
    p->statement->verb = AST_DELETE;
    p->statement->where = C;
}
target ::= ID(N) alias(A). { parse_store(p, &N); p->statement->alias = A.text; }
%type sets {struct ast_list}
sets(L) ::= set(S). { L = parse_list(p, S); }
sets(L) ::= sets(M) COMMA set(S). { L = M; parse_append(p, &L, S); }
set(S) ::= path(A) EQ expr(E). { S = parse_node(p, AST_SET, A->place, A, E, NULL); }
%type unset {struct ast_list}
unset(U) ::= . { U = (struct ast_list){0}; }
unset(U) ::= UNSET exprs(L). { U = L; }

returning ::= .
returning ::= RETURNING items(L).
  { p->statement->returning = L; p->statement->has_returning = true; }

// ---- stores and indexes ----

statement ::= CREATE STORE absent ID(N) store_key generate.
  { parse_verb(p, AST_CREATE_STORE); parse_store(p, &N); }
statement ::= DROP STORE present ID(N).
  { parse_verb(p, AST_DROP_STORE); parse_store(p, &N); }
statement ::= CREATE unique multi INDEX absent ID(I) ON ID(N) LP parts(L) RP where(C).
{
    parse_verb(p, AST_CREATE_INDEX);
    parse_store(p, &N);
    parse_index(p, &I);
    p->statement->parts = L;
    p->statement->where = C;
}
statement ::= DROP INDEX present ID(I) ON ID(N).
{
    parse_verb(p, AST_DROP_INDEX);
    parse_store(p, &N);
    parse_index(p, &I);
}
absent ::= .
absent ::= IF NOT EXISTS. { p->statement->if_exists = true; }
present ::= .
present ::= IF EXISTS. { p->statement->if_exists = true; }
unique ::= .
unique ::= UNIQUE. { p->statement->is_unique = true; }
multi ::= .
multi ::= MULTI. { p->statement->is_multi = true; }
store_key ::= .
store_key ::= KEY LP parts(L) RP. { p->statement->parts = L; }
generate ::= .
generate ::= GENERATE. { p->statement->generates = true; }
%type parts {struct ast_list}
parts(L) ::= part(P). { L = parse_list(p, P); }
parts(L) ::= parts(M) COMMA part(P). { L = M; parse_append(p, &L, P); }
part(P) ::= path(A) direction(D).
  { P = parse_node(p, AST_PART, A->place, A, NULL, NULL); P->is_descending = D; }

// A path on its own: to what is set, and of keys.
path(E) ::= ID(N). { E = parse_leaf(p, AST_NAME, &N, N.text); }
path(E) ::= path(A) DOT ID(N). { E = parse_field(p, A, &N); }
path(E) ::= path(A) LB expr(B) RB(T).
  { E = parse_node(p, AST_ELEMENT, A->place, A, B, NULL); parse_end_at(p, E, &T); }

// ---- expressions ----

%type exprs {struct ast_list}
exprs(L) ::= expr(E). { L = parse_list(p, E); }
exprs(L) ::= exprs(M) COMMA expr(E). { L = M; parse_append(p, &L, E); }
%type some {struct ast_list}
some(L) ::= . { L = (struct ast_list){0}; }
some(L) ::= exprs(M). { L = M; }

expr(E) ::= expr(A) OR expr(B). { E = parse_chain(p, AST_OR, A, B); }
expr(E) ::= expr(A) AND expr(B). { E = parse_chain(p, AST_AND, A, B); }
expr(E) ::= NOT(T) expr(A). { E = parse_node(p, AST_NOT, T.place, A, NULL, NULL); }
expr(E) ::= expr(A) EQ expr(B). { E = parse_node(p, AST_EQUAL, A->place, A, B, NULL); }
expr(E) ::= expr(A) NE expr(B). { E = parse_node(p, AST_NOT_EQUAL, A->place, A, B, NULL); }
expr(E) ::= expr(A) LT expr(B). { E = parse_node(p, AST_LESS, A->place, A, B, NULL); }
expr(E) ::= expr(A) LE expr(B). { E = parse_node(p, AST_LESS_EQUAL, A->place, A, B, NULL); }
expr(E) ::= expr(A) GT expr(B). { E = parse_node(p, AST_GREATER, A->place, A, B, NULL); }
expr(E) ::= expr(A) GE expr(B). { E = parse_node(p, AST_GREATER_EQUAL, A->place, A, B, NULL); }
expr(E) ::= expr(A) PLUS expr(B). { E = parse_node(p, AST_ADD, A->place, A, B, NULL); }
expr(E) ::= expr(A) MINUS expr(B). { E = parse_node(p, AST_SUBTRACT, A->place, A, B, NULL); }
expr(E) ::= expr(A) STAR expr(B). { E = parse_node(p, AST_MULTIPLY, A->place, A, B, NULL); }
expr(E) ::= expr(A) SLASH expr(B). { E = parse_node(p, AST_DIVIDE, A->place, A, B, NULL); }
expr(E) ::= expr(A) PERCENT expr(B). { E = parse_node(p, AST_REMAINDER, A->place, A, B, NULL); }
expr(E) ::= expr(A) CONCAT expr(B). { E = parse_node(p, AST_CONCAT, A->place, A, B, NULL); }
expr(E) ::= MINUS(T) expr(A). [UMINUS] { E = parse_node(p, AST_NEGATE, T.place, A, NULL, NULL); }
expr(E) ::= PLUS expr(A). [UMINUS] { E = A; }

expr(E) ::= expr(A) IS isnt(N) state(S). [IS]
{
    E = parse_node(p, AST_IS, A->place, A, NULL, NULL);
    E->number = S.kind;
    E->is_negated = N;
    parse_end_at(p, E, &S.token);
}
%type isnt {bool}
isnt(N) ::= . { N = false; }
isnt(N) ::= NOT. { N = true; }
%type state {struct parse_state}
state(S) ::= NULL(T). { S = (struct parse_state){AST_NULL, T}; }
state(S) ::= MISSING(T). { S = (struct parse_state){AST_MISSING, T}; }
state(S) ::= TRUE(T). { S = (struct parse_state){AST_TRUE, T}; }
state(S) ::= FALSE(T). { S = (struct parse_state){AST_FALSE, T}; }

%type like {bool}
like(N) ::= LIKE. { N = false; }
like(N) ::= NOT LIKE. { N = true; }
expr(E) ::= expr(A) like(N) expr(B). [LIKE]
  { E = parse_node(p, AST_LIKE, A->place, A, B, NULL); E->is_negated = N; }
expr(E) ::= expr(A) like(N) expr(B) ESCAPE expr(C). [LIKE]
  { E = parse_node(p, AST_LIKE, A->place, A, B, C); E->is_negated = N; }
%type between {bool}
between(N) ::= BETWEEN. { N = false; }
between(N) ::= NOT BETWEEN. { N = true; }
expr(E) ::= expr(A) between(N) expr(B) AND expr(C). [BETWEEN]
  { E = parse_node(p, AST_BETWEEN, A->place, A, B, C); E->is_negated = N; }
%type in {bool}
in(N) ::= IN. { N = false; }
in(N) ::= NOT IN. { N = true; }
expr(E) ::= expr(A) in(N) LP some(L) RP(T). [IN]
{
    E = parse_node(p, AST_IN_LIST, A->place, A, NULL, NULL);
    parse_adopt_list(p, E, L);
    parse_end_at(p, E, &T);
    E->is_negated = N;
}
expr(E) ::= expr(A) in(N) LP select(Q) RP(T). [IN]
{
    E = parse_node(p, AST_IN_QUERY, A->place, A, NULL, NULL);
    parse_adopt_select(p, E, Q);
    parse_end_at(p, E, &T);
    E->is_negated = N;
}
expr(E) ::= expr(A) in(N) atom(B). [IN]
  { E = parse_node(p, AST_IN_VALUE, A->place, A, B, NULL); E->is_negated = N; }

expr(E) ::= atom(A). { E = A; }
expr(E) ::= group_of(A). { E = A; }
group_of(E) ::= LP(T) expr(A) RP(Z). { E = A; E->place = T.place; parse_end_at(p, E, &Z); }

atom(E) ::= atom(A) DOT ID(N). { E = parse_field(p, A, &N); }
group_of(E) ::= group_of(A) DOT ID(N). { E = parse_field(p, A, &N); }
atom(E) ::= atom(A) LB expr(B) RB(T).
  { E = parse_node(p, AST_ELEMENT, A->place, A, B, NULL); parse_end_at(p, E, &T); }
group_of(E) ::= group_of(A) LB expr(B) RB(T).
  { E = parse_node(p, AST_ELEMENT, A->place, A, B, NULL); parse_end_at(p, E, &T); }

atom(E) ::= ID(N). { E = parse_leaf(p, AST_NAME, &N, N.text); }
atom(E) ::= NULL(T). { E = parse_leaf(p, AST_NULL, &T, SLICE_NONE); }
atom(E) ::= MISSING(T). { E = parse_leaf(p, AST_MISSING, &T, SLICE_NONE); }
atom(E) ::= TRUE(T). { E = parse_leaf(p, AST_TRUE, &T, SLICE_NONE); }
atom(E) ::= FALSE(T). { E = parse_leaf(p, AST_FALSE, &T, SLICE_NONE); }
atom(E) ::= INTEGER(T). { E = parse_leaf(p, AST_INTEGER, &T, T.text); }
atom(E) ::= DECIMAL(T). { E = parse_leaf(p, AST_DECIMAL, &T, T.text); }
atom(E) ::= TEXT(T). { E = parse_leaf(p, AST_TEXT, &T, T.text); }
atom(E) ::= BINARY(T). { E = parse_leaf(p, AST_BINARY, &T, T.text); }
atom(E) ::= TIMESTAMP(A) TEXT(T).
  { E = parse_leaf(p, AST_TIMESTAMP, &A, T.text); parse_end_at(p, E, &T); }
atom(E) ::= PARAMETER(T). { E = parse_parameter(p, &T); }
atom(E) ::= NAMED_PARAMETER(T). { E = parse_leaf(p, AST_NAMED_PARAMETER, &T, T.text); }
atom(E) ::= ID(N) LP some(L) RP(T). { E = parse_call(p, &N, L, &T); }
atom(E) ::= ID(N) LP DISTINCT exprs(L) RP(T).
  { E = parse_call(p, &N, L, &T); E->is_distinct = true; }
atom(E) ::= ID(N) LP ALL exprs(L) RP(T). { E = parse_call(p, &N, L, &T); }
atom(E) ::= ID(N) LP STAR RP(T).
  { E = parse_call(p, &N, (struct ast_list){0}, &T); E->is_star = true; }
// These two words begin joins and statements, and are functions, too.
atom(E) ::= LEFT(N) LP some(L) RP(T). { E = parse_call(p, &N, L, &T); }
atom(E) ::= CAST(A) LP expr(B) AS ID(N) RP(T).
{
    E = parse_node(p, AST_CAST, A.place, B, NULL, NULL);
    E->text = N.text;
    E->number = N.place;
    parse_end_at(p, E, &T);
}
atom(E) ::= CASE(T) operand(A) whens(L) otherwise(C) END(Z).
{
    E = parse_node(p, AST_CASE, T.place, A, NULL, C);
    parse_adopt_list(p, E, L);
    parse_end_at(p, E, &Z);
}
operand(A) ::= . { A = NULL; }
operand(A) ::= expr(E). { A = E; }
otherwise(C) ::= . { C = NULL; }
otherwise(C) ::= ELSE expr(E). { C = E; }
%type whens {struct ast_list}
whens(L) ::= when(W). { L = parse_list(p, W); }
whens(L) ::= whens(M) when(W). { L = M; parse_append(p, &L, W); }
when(W) ::= WHEN(T) expr(A) THEN expr(B). { W = parse_node(p, AST_WHEN, T.place, A, B, NULL); }
atom(E) ::= LB(T) some(L) RB(Z).
  { E = parse_leaf(p, AST_ARRAY, &T, SLICE_NONE); parse_adopt_list(p, E, L); parse_end_at(p, E, &Z); }
atom(E) ::= LC(T) pairs(L) RC(Z).
  { E = parse_leaf(p, AST_MAP, &T, SLICE_NONE); parse_adopt_list(p, E, L); parse_end_at(p, E, &Z); }
%type pairs {struct ast_list}
pairs(L) ::= . { L = (struct ast_list){0}; }
pairs(L) ::= some_pairs(M). { L = M; }
%type some_pairs {struct ast_list}
some_pairs(L) ::= pair(P). { L = parse_list(p, P); }
some_pairs(L) ::= some_pairs(M) COMMA pair(P). { L = M; parse_append(p, &L, P); }
pair(P) ::= pair_name(N) COLON expr(E).
{
    struct ast *name = parse_leaf(p, AST_TEXT, &N, N.text);

    P = parse_node(p, AST_PAIR, N.place, name, E, NULL);
}
%type pair_name {struct token}
pair_name(N) ::= ID(T). { N = T; }
pair_name(N) ::= TEXT(T). { N = T; }
atom(E) ::= EXISTS(T) LP select(Q) RP(Z).
  { E = parse_leaf(p, AST_EXISTS, &T, SLICE_NONE); parse_adopt_select(p, E, Q); parse_end_at(p, E, &Z); }
group_of(E) ::= LP(T) select(Q) RP(Z).
  { E = parse_leaf(p, AST_QUERY, &T, SLICE_NONE); parse_adopt_select(p, E, Q); parse_end_at(p, E, &Z); }
