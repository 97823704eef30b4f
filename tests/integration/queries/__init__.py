"""Random queries over random documents, and a slow evaluator to judge the server by.

values.py      values, their order, arithmetic: docs/query.md's "Values" and "Expressions"
functions.py   its functions and aggregates
expressions.py expressions as trees: what they are worth, and how they are written
select.py      queries as trees, likewise
draw.py        random documents, expressions and queries from a seed
lives.py       a daemon with such documents, asked such queries

Written from docs/query.md; it shares no code with the server."""
