#!/usr/bin/env python3
"""Queries beside SQLite in process and, where it is installed, PostgreSQL with jsonb.

    query_bench.py [--records N] [--seconds S] [--no-postgres]     (make bench-queries)

The same documents in each, with the same indexes. Each line has the time of one query (the best of
some) and how much of a processor it took, the client's part of which is SQLite's whole; the ratio is
by processor time, since it is what other load on the machine changes least. HOLDFASTD is the daemon."""
import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import holdfast  # noqa: E402

GROUPS = 1000
OTHERS = 10000  # records of the store that is joined
POINTS = 2000   # point queries in one measurement


def documents(count):
    dice = random.Random(1)
    for n in range(count):
        yield {"id": n, "name": "name %09d" % (n * 7919 % count), "part": n % GROUPS,
               "other": dice.randrange(OTHERS), "value": dice.randrange(1000000),
               "price": dice.randrange(100000) / 4, "note": "some words that fill it"}


def others():
    for n in range(OTHERS):
        yield {"id": n, "title": "title %d" % n}


# (name, Holdfast's text, SQLite's, PostgreSQL's); $1 stands for a random number.
QUERIES = [
    ("point by key", "select value d from docs d where d.id = $1",
     "select * from docs where id = ?", "select d from docs where id = :n"),
    ("point by index", "select value d from docs d where d.name = $1",
     "select * from docs where name = ?", "select d from docs where (d->>'name') = :'name'"),
    ("filter, full scan", "select count(*) from docs d where d.value % 7 = 3 and d.price < 20000",
     "select count(*) from docs where value % 7 = 3 and price < 20000",
     "select count(*) from docs where (d->>'value')::int % 7 = 3 and (d->>'price')::float < 20000"),
    ("group by", "select d.part, count(*), sum(d.value) from docs d group by d.part",
     "select part, count(*), sum(value) from docs group by part",
     "select (d->>'part')::int, count(*), sum((d->>'value')::int) from docs group by 1"),
    ("order by limit", "select d.id, d.price from docs d order by d.price desc limit 10",
     "select id, price from docs order by price desc limit 10",
     "select id, d->>'price' from docs order by (d->>'price')::float desc limit 10"),
    ("order by limit, index", "select d.id, d.value from docs d order by d.value desc limit 10",
     "select id, value from docs order by value desc limit 10",
     "select id, d->>'value' from docs order by (d->>'value')::int desc limit 10"),
    ("join on a key", "select count(*) from docs d join others o on d.other = o.id "
     "where o.title <> 'title 7'",
     "select count(*) from docs d join others o on d.other = o.id where o.title <> 'title 7'",
     "select count(*) from docs d join others o on (d.d->>'other')::int = o.id "
     "where o.d->>'title' <> 'title 7'"),
    ("count of all", "select count(*) from docs", "select count(*) from docs",
     "select count(*) from docs"),
    ("update of 10 %", "update docs set price = price + 0.25 where part < %d" % (GROUPS // 10),
     "update docs set price = price + 0.25 where part < %d" % (GROUPS // 10),
     "update docs set d = jsonb_set(d, '{price}', to_jsonb((d->>'price')::float + 0.25)) "
     "where (d->>'part')::int < %d" % (GROUPS // 10)),
]


class Timing:
    def __init__(self, wall, cpu, why=None):
        self.wall, self.cpu, self.why = wall, cpu, why


class Holdfast:
    name = "Holdfast"

    def __init__(self, records):
        self.daemon = holdfast.Daemon("--cache-size", "1GiB", "--query-memory", "256MiB")
        self.client = holdfast.Client(self.daemon.unix[0])
        self.records = records

    def load(self):
        for store, rows in (("docs", documents(self.records)), ("others", others())):
            self.client.call("create_store", 0, store, {"key": [["id"]]})
            batch = []
            for row in rows:
                batch.append(["put", [store, row]])
                if len(batch) == 1000:
                    self.client.call("run", batch)
                    batch = []
            if batch:
                self.client.call("run", batch)
        self.client.call("rotate")
        self.client.send("amalgamate")
        self.client.reply(self.client.next, 600)
        self.client.call("create_index", 0, "docs", "by_name", {"key": [["name"]]})
        self.client.call("create_index", 0, "docs", "by_value", {"key": [["value"]]})
        self.client.send("amalgamate")
        self.client.reply(self.client.next, 600)

    def cpu(self):
        """Of all its threads; to the nanosecond, which ticks of 10 ms are too coarse for."""
        folder = "/proc/%d/task" % self.daemon.process.pid
        spent = 0
        for thread in os.listdir(folder):
            with open(os.path.join(folder, thread, "schedstat")) as f:
                spent += int(f.read().split()[0])
        return spent / 1e9

    def ask(self, text, args=None):
        page = self.client.reply(self.client.send("query", 0, text, args), 600)
        rows = len(page.get("rows") or ())
        while page.get("cursor") is not None:
            page = self.client.call("next", page["cursor"])
            rows += len(page["rows"])
        return rows

    def run(self, query, points):
        if points:
            return self.run_points(query, points)
        begun, cpu = time.perf_counter(), self.cpu()
        self.ask(query[1])
        return Timing(time.perf_counter() - begun, self.cpu() - cpu)

    def run_points(self, query, points):
        """Requests are packed before, and answers looked at afterwards: pgbench does no more."""
        self.client.cork()
        requests = []
        for _ in range(points):
            self.client.send("query", 0, query[1], point(query, self.records))
            requests.append(bytes(self.client.corked))
            del self.client.corked[:]
        self.client.uncork()
        s, answers = self.client.s, []
        s.settimeout(60)
        begun, cpu = time.perf_counter(), self.cpu()
        for request in requests:
            s.sendall(request)
            answers.append(s.recv(1 << 16))  # it comes in one piece
        timing = Timing(time.perf_counter() - begun, self.cpu() - cpu)
        self.client.buffer += b"".join(answers)
        for i in range(points):
            assert len(self.client.reply(self.client.next - i)["rows"]) == 1
        return timing

    def close(self):
        self.client.close()
        self.daemon.stop()
        shutil.rmtree(self.daemon.directory, ignore_errors=True)


def point(query, records):
    n = random.randrange(records)
    return ["name %09d" % n] if "index" in query[0] else [n]


class Sqlite:
    name = "SQLite"

    def __init__(self, records):
        self.records = records
        self.directory = tempfile.mkdtemp(prefix="holdfast-bench.")
        self.db = sqlite3.connect(os.path.join(self.directory, "db"), isolation_level=None)

    def load(self):
        run = self.db.execute
        for pragma in ("journal_mode = wal", "synchronous = normal", "cache_size = -1000000"):
            run("pragma " + pragma).fetchall()
        run("create table docs (id integer primary key, name text, part integer, other integer, "
            "value integer, price real, note text)")
        run("create table others (id integer primary key, title text)")
        run("begin")
        self.db.executemany("insert into docs values (?, ?, ?, ?, ?, ?, ?)",
                            (list(d.values()) for d in documents(self.records)))
        self.db.executemany("insert into others values (?, ?)", (list(d.values()) for d in others()))
        run("commit")
        run("create index by_name on docs (name)")
        run("create index by_value on docs (value)")

    def run(self, query, points):
        begun, cpu = time.perf_counter(), time.process_time()
        for _ in range(points or 1):
            self.db.execute(query[2], point(query, self.records) if points else ()).fetchall()
        return Timing(time.perf_counter() - begun, time.process_time() - cpu)

    def close(self):
        self.db.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Postgres:
    """Driven by psql, which measures; point queries by pgbench."""
    name = "PostgreSQL"
    bin = "/usr/lib/postgresql/15/bin"

    @classmethod
    def is_there(cls):
        return os.path.exists(os.path.join(cls.bin, "initdb"))

    def __init__(self, records):
        self.records = records
        self.directory = tempfile.mkdtemp(prefix="holdfast-bench.")
        self.as_user = []
        if os.getuid() == 0:
            shutil.chown(self.directory, "postgres")
            self.as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres",
                            "--clear-groups", "--"]
        data = os.path.join(self.directory, "data")
        self.command("initdb", "-D", data, "-A", "trust", "-U", "postgres")
        # pg_ctl itself waits until the server accepts connections, and fails after -t seconds.
        self.data = data
        self.command("pg_ctl", "start", "-w", "-t", "60", "-D", data,
                     "-l", os.path.join(self.directory, "log"),
                     "-o", "-k %s -c listen_addresses= -c shared_buffers=1GB "
                           "-c synchronous_commit=off" % self.directory)

    def command(self, name, *args, data=None):
        return subprocess.run(self.as_user + [os.path.join(self.bin, name), *args], input=data,
                              text=True, check=True, stdout=subprocess.PIPE,
                              cwd=self.directory).stdout

    def psql(self, text):
        return self.command("psql", "-q", "-h", self.directory, "-U", "postgres", data=text)

    def load(self):
        lines = ["create table docs (id int primary key, d jsonb);",
                 "create table others (id int primary key, d jsonb);"]
        for table, rows in (("docs", documents(self.records)), ("others", others())):
            lines.append("copy %s from stdin;" % table)
            lines += ["%d\t%s" % (d["id"], json.dumps(d)) for d in rows]
            lines.append("\\.")
        lines += ["create index by_name on docs ((d->>'name'));",
                  "create index by_value on docs (((d->>'value')::int));", "vacuum analyze;"]
        self.psql("\n".join(lines) + "\n")

    def run(self, query, points):
        if points:
            script = os.path.join(self.directory, "point.sql")
            with open(script, "w") as f:
                f.write("\\set n random(0, %d)\n" % (self.records - 1))
                text = query[3]
                if ":'name'" in text:
                    text = text.replace(":'name'", "'name ' || lpad(:n::text, 9, '0')")
                f.write(text + ";\n")
            os.chmod(self.directory, 0o755)
            said = self.command("pgbench", "-n", "-h", self.directory, "-U", "postgres", "-f", script,
                         "-M", "prepared", "-t", str(points), "postgres")
            word = [line for line in said.splitlines() if line.startswith("latency average")]
            return Timing(float(word[0].split()[3]) / 1000 * points, None)
        out = self.psql("\\timing on\n\\o /dev/null\n%s;\n" % query[3])
        word = [line for line in out.splitlines() if line.startswith("Time:")]
        return Timing(float(word[-1].split()[1]) / 1000 if word else None, None)

    def close(self):
        self.command("pg_ctl", "stop", "-D", self.data, "-m", "immediate")
        shutil.rmtree(self.directory, ignore_errors=True)


def best(system, query):
    points = POINTS if query[0].startswith("point") else 0
    try:
        runs = [system.run(query, points) for _ in range(2 if "update" in query[0] else 3)]
    except holdfast.Failed as e:
        return Timing(None, None, str(e))
    each = points or 1
    cpus = [r.cpu for r in runs if r.cpu is not None]
    return Timing(min(r.wall for r in runs) / each, min(cpus) / each if cpus else None)


HEAVY = [("filter, full scan", QUERIES[2][1]), ("group by", QUERIES[3][1]),
         ("join on a key", QUERIES[6][1]),
         ("sort of everything", "select d.id from docs d order by d.note, d.price, d.id limit 1 offset 90000"),
         ("every pair", "select count(*) from docs a, others b where a.price = b.id + 0.5")]
GETS = 4000


def latencies(client, records, is_over):
    """Of gets one after the other, until it is over."""
    out = []
    while not is_over(len(out)):
        begun = time.perf_counter()
        client.call("get", 0, "docs", random.randrange(records))
        out.append(time.perf_counter() - begun)
    return sorted(out)


def beside(system):
    """What a client waits for a get beside another's heavy query, which is cancelled in the end."""
    print("\n| gets of one client beside | p50 us | p99 us | longest us | p99 : alone | turns, mean us |")
    print("| --- | --- | --- | --- | --- | --- |")
    alone = None
    with holdfast.Client(system.daemon.unix[0]) as client, \
            holdfast.Client(system.daemon.unix[0]) as heavy:
        for name, text in [("nobody", None)] + HEAVY:
            found = []
            begun, turns = system.cpu(), client.call("status")["loop"]["turns"]
            while len(found) < GETS:
                msgid = heavy.send("query", 0, text) if text else None
                some = latencies(client, system.records,
                                 lambda n: n >= GETS or (text and heavy.answered(msgid)))
                found += some
                if not text:
                    break
                if not heavy.answered(msgid):
                    heavy.call("cancel", msgid)
                try:
                    heavy.reply(msgid)
                except holdfast.Failed as e:
                    assert e.name == "CANCELLED", e
            found.sort()
            p99 = found[len(found) * 99 // 100]
            alone = alone or p99
            turns = client.call("status")["loop"]["turns"] - turns
            print("| %s | %.0f | %.0f | %.0f | %.2f | %.0f |" % (
                name, found[len(found) // 2] * 1e6, p99 * 1e6, found[-1] * 1e6, p99 / alone,
                (system.cpu() - begun) / turns * 1e6), flush=True)


def before_all_others(pid):
    """The daemon and this process are scheduled first from here on."""
    first = os.sched_param(1)
    for thread in os.listdir("/proc/%d/task" % pid):
        os.sched_setscheduler(int(thread), os.SCHED_FIFO, first)
    os.sched_setscheduler(0, os.SCHED_FIFO, first)


def shown(seconds):
    if seconds is None:
        return "-"
    return "%.1f us" % (seconds * 1e6) if seconds < 0.001 else "%.1f ms" % (seconds * 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--no-postgres", action="store_true")
    parser.add_argument("--beside", action="store_true", help="what others wait meanwhile, alone")
    parser.add_argument("--realtime", action="store_true",
                        help="beside: run before everything else on a machine that is busy (as root)")
    parser.add_argument("--only", help="queries whose name has this")
    args = parser.parse_args()
    if args.beside:
        system = Holdfast(args.records)
        system.load()
        if args.realtime:
            before_all_others(system.daemon.process.pid)
        beside(system)
        system.close()
        return
    kinds = [Holdfast, Sqlite]
    if Postgres.is_there() and not args.no_postgres:
        kinds.append(Postgres)
    systems = []
    try:
        for kind in kinds:
            systems.append(kind(args.records))
            begun = time.perf_counter()
            systems[-1].load()
            print("%s: %d records loaded in %.0f s" % (kind.name, args.records,
                                                       time.perf_counter() - begun), flush=True)
        print("\n| %d records | %s | Holdfast : SQLite |" % (
            args.records, " | ".join("%s | processor" % s.name for s in systems)))
        print("| --- |" + " --- | --- |" * len(systems) + " --- |")
        for query in QUERIES:
            if args.only and args.only not in query[0]:
                continue
            found = [best(s, query) for s in systems]
            cells = ["%s | %s" % (shown(t.wall), shown(t.cpu)) for t in found]
            ratio = "-"
            if found[0].cpu and found[1].cpu:
                ratio = "%.2f" % (found[0].cpu / found[1].cpu)
            print("| %s | %s | %s | %s" % (query[0], " | ".join(cells), ratio,
                                           found[0].why or ""), flush=True)
    finally:
        for system in systems:
            system.close()


if __name__ == "__main__":
    main()
