#!/usr/bin/env python3
"""Files of the sqllogictest corpus as far as the two languages agree.

    HOLDFASTD=... SQLLOGICTEST=FOLDER tests/integration/sqllogic.py [WORD]...

FOLDER is a copy of github.com/gregrahn/sqllogictest, or the git directory of one; the corpus is not
part of this repository. For each file: how many queries ran, how many answers were wrong, how many
were passed over, and at the end why. A query that is refused counts as passed over, by what it was
refused for; only a wrong answer is a failure. We stand in for SQLite (skipif, onlyif)."""
import collections
import hashlib
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import holdfast  # noqa: E402

FILES = ["test/select1.test", "test/select2.test", "test/select3.test", "test/select4.test",
         "test/evidence/in1.test", "test/evidence/in2.test", "test/evidence/slt_lang_aggfunc.test",
         "test/random/expr/slt_good_0.test", "test/random/expr/slt_good_1.test",
         "test/random/aggregates/slt_good_0.test", "test/random/groupby/slt_good_0.test",
         "test/random/select/slt_good_0.test", "test/index/between/1/slt_good_0.test",
         "test/index/commute/10/slt_good_0.test", "test/index/in/10/slt_good_3.test",
         "test/index/orderby/10/slt_good_0.test", "test/index/orderby_nosort/10/slt_good_0.test",
         "test/index/random/10/slt_good_0.test", "test/index/delete/10/slt_good_0.test"]
QUERIES_MAX = 4000   # of one file
DEADLINE_MS = 10000  # of one query
NOT_HERE = re.compile(r"\b(union|except|intersect|create\s+(temp\s+)?(view|trigger)|natural|using|"
                      r"replace\s+into|insert\s+or|pragma|reindex|collate|glob|group_concat|total)\b",
                      re.I)


class PassedOver(Exception):
    pass


class Corpus:
    def __init__(self, folder):
        self.folder = folder
        self.is_git = not os.path.isdir(os.path.join(folder, "test"))

    def read(self, name):
        """None: it is not there."""
        if not self.is_git:
            path = os.path.join(self.folder, name)
            return open(path, encoding="utf-8").read() if os.path.exists(path) else None
        done = subprocess.run(["git", "--git-dir", self.folder, "show", "HEAD:" + name],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout.decode() if done.returncode == 0 else None


def records(text):
    """(first line's words, the lines behind it) of what concerns SQLite."""
    for block in re.split(r"\n[ \t]*\n", text.replace("\r", "")):
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        skips = False
        while lines and lines[0].split()[0] in ("skipif", "onlyif", "hash-threshold"):
            words = lines.pop(0).split()
            if words[0] == "skipif":
                skips = skips or words[1] == "sqlite"
            elif words[0] == "onlyif":
                skips = skips or words[1] != "sqlite"
            else:
                yield words, []
        if lines and not skips:
            yield lines[0].split(), lines[1:]


class Tables:
    """Tables as stores, whose records get numbers as keys, as rows of SQLite do."""

    def __init__(self, client):
        self.client = client
        self.columns = {}
        self.spoiled = set()  # a statement about them was passed over

    def ask(self, text):
        try:
            return self.client.call("query", 0, text, None, {"page": 1000, "deadline_ms": DEADLINE_MS})
        except holdfast.Failed as e:
            why = e.message
            if e.name == "BAD_QUERY":
                why = re.sub(r"^line \d+, column \d+: ", "", why)
            why = re.sub(r"\"[^\"]*\"", "\"...\"", why)
            why = re.sub(r"any of the sources .*", "any of the sources", why)
            raise PassedOver("%s: %s" % (e.name, re.sub(r"\d+", "N", why)[:90]))

    def drop(self):
        for name in list(self.columns):
            self.ask("drop store if exists %s" % name)
        self.columns = {}
        self.spoiled = set()

    def execute(self, text):
        text = " ".join(text.split())
        try:
            self.execute_one(text)
        except PassedOver:
            if re.match("insert|update|delete|create table|drop", text, re.I):
                self.spoiled |= set(re.findall(r"\w+", text)) & set(self.columns)
            raise

    def execute_one(self, text):
        created = re.match(r"create table (\w+) ?\((.*)\)$", text, re.I)
        if created:
            parts = [p.split() for p in re.split(r",(?![^(]*\))", created.group(2))]
            parts = [p for p in parts if p[0].lower() not in ("primary", "unique", "constraint")]
            self.columns[created.group(1)] = [p[0] for p in parts]
            self.ask("create store %s generate" % created.group(1))
            return
        if NOT_HERE.search(text):
            raise PassedOver("not in the language: " + NOT_HERE.search(text).group(0).lower())
        inserted = re.match(r"insert into (\w+) (values ?\(.*)$", text, re.I)
        if inserted and inserted.group(1) in self.columns:
            text = "insert into %s (%s) %s" % (inserted.group(1),
                                               ", ".join(self.columns[inserted.group(1)]), inserted.group(2))
        copied = re.match(r"insert into (\w+) select \* from (\w+)$", text, re.I)
        if copied:
            to, of = copied.groups()
            text = "insert into %s select %s from %s" % (to, ", ".join(
                "%s as %s" % pair for pair in zip(self.columns[of], self.columns[to])), of)
        dropped = re.match(r"drop table (?:if exists )?(\w+)$", text, re.I)
        if dropped:
            self.columns.pop(dropped.group(1), None)
            self.spoiled.discard(dropped.group(1))
            text = "drop store " + dropped.group(1)
        self.ask(text)

    def select(self, text):
        text = " ".join(text.split())
        if self.spoiled & set(re.findall(r"\w+", text)):
            raise PassedOver("follows a statement that was passed over")
        if NOT_HERE.search(text):
            raise PassedOver("not in the language: " + NOT_HERE.search(text).group(0).lower())
        star = re.match(r"select (all |distinct )?\* from (\w+)( as (\w+))?( (?:where|order|group|limit).*)?$",
                        text, re.I)
        if star and star.group(2) in self.columns:
            alias = star.group(4) or star.group(2)
            text = "select %s%s from %s %s%s" % (
                star.group(1) or "", ", ".join(alias + "." + c for c in self.columns[star.group(2)]),
                star.group(2), alias, star.group(5) or "")
        elif re.search(r"\bselect (all |distinct )?(\w+\.)?\*|, ?(\w+\.)?\*", text, re.I):
            raise PassedOver("not in the language: * of several columns")
        page = self.ask(text)
        rows = page["rows"]
        while page["cursor"] is not None:
            page = self.client.call("next", page["cursor"])
            rows += page["rows"]
        return rows


def shown(value, kind):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        value = int(value)
    if kind == "I":
        return str(int(value)) if isinstance(value, (int, float)) else "0"
    if kind == "R":
        return "%.3f" % value
    text = value if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)
    return re.sub(r"[^ -~]", "@", text) if text else "(empty)"


def answer_of(rows, kinds, order):
    values = [[shown(v, k) for v, k in zip(row, kinds)] for row in rows]
    if order == "rowsort":
        values.sort()
    flat = [v for row in values for v in row]
    return sorted(flat) if order == "valuesort" else flat


def is_answer(values, wanted):
    if len(wanted) == 1 and " values hashing to " in wanted[0]:
        count, digest = wanted[0].split(" values hashing to ")
        made = hashlib.md5("".join(v + "\n" for v in values).encode()).hexdigest()
        return int(count) == len(values) and made == digest
    return values == wanted


def ask_one(tables, words, lines):
    """Whether the answer is right."""
    kinds, order = words[1], words[2] if len(words) > 2 else "nosort"
    at = lines.index("----") if "----" in lines else len(lines)
    text, wanted = "\n".join(lines[:at]), lines[at + 1:]
    rows = tables.select(text)
    values = answer_of(rows, kinds, order)
    if is_answer(values, wanted):
        return True
    if order == "nosort" and not re.search(r"\border\s+by\b", text, re.I) and len(rows) > 1:
        raise PassedOver("no order is promised")
    print("    WRONG: %s\n      answer %s\n      wanted %s" % (" ".join(text.split()), values[:12], wanted[:12]))
    return False


def run_file(tables, text, why):
    ran = wrong = passed = 0
    for words, lines in records(text):
        if words[0] == "halt" or ran + passed >= QUERIES_MAX:
            break
        try:
            if words[0] == "statement" and words[1] == "ok":
                tables.execute("\n".join(lines))
            elif words[0] == "query":
                right = ask_one(tables, words, lines)
                ran += 1
                wrong += not right
        except PassedOver as e:
            passed += words[0] == "query"
            why[("a statement, " if words[0] == "statement" else "") + str(e)] += 1
    return ran, wrong, passed


def main():
    folder = os.environ.get("SQLLOGICTEST")
    if not folder or not os.path.isdir(folder):
        print("sqllogictest  skipped: SQLLOGICTEST names no copy of github.com/gregrahn/sqllogictest")
        return 0
    corpus, totals, why = Corpus(folder), [0, 0, 0], collections.Counter()
    with holdfast.Daemon("--query-memory", "256MiB") as d, d.client() as c:
        tables = Tables(c)
        for name in FILES:
            if sys.argv[1:] and not any(w in name for w in sys.argv[1:]):
                continue
            text = corpus.read(name)
            if text is None:
                print("%-44s skipped: the copy does not have it" % name)
                continue
            counts = run_file(tables, text, why)
            tables.drop()
            totals = [a + b for a, b in zip(totals, counts)]
            print("%-44s %5d ran, %d wrong, %5d passed over" % ((name,) + counts), flush=True)
    print("sqllogictest: %d queries ran, %d answers wrong, %d passed over:" % tuple(totals))
    for reason, count in why.most_common(40):
        print("  %6d  %s" % (count, reason))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
