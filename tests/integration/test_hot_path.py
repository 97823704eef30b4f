"""What a request costs the daemon once it is warm: no memory is taken for it, and a batch of
requests takes one read and one write of the socket. Counted by count.c, so nothing here
depends on time, but that a busy machine may cut a batch in two: calls are judged by the batch
in the middle."""
import os
import shutil
import struct
import tempfile

from holdfast import Closed, Daemon, Raw, Short, Skipped, pack, sanitized, unpack
from preload import preload, shared_page

BATCH = 32    # requests sent in one piece
WARM = 60     # batches before anything is counted
COUNTED = 60  # batches that are
# What still takes memory now and then: chunks of the open stage (256 KiB, some 700 records),
# and nodes of tables that double.
TAKEN_MAX = 0.01
KEYS = 1000
VALUE = Raw(pack({"name": "record", "text": "x" * 80}))


class Counted:
    """A daemon whose calls are counted, and one connection to it."""

    def __init__(self, *arguments):
        if sanitized():
            raise Skipped("a sanitizer takes memory of its own")
        self.directory = tempfile.mkdtemp(prefix="holdfast-count.")
        path = os.path.join(self.directory, "counters")
        self.counters = shared_page(path)
        self.daemon = Daemon("--wal-segment-size", "16MiB", *arguments,
                             env=preload("count", self.directory, HOLDFAST_COUNT=path))
        self.client = self.daemon.client(self.daemon.unix[0])
        self.next = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.client.close()
        self.daemon.__exit__(*exception)
        shutil.rmtree(self.directory, ignore_errors=True)

    def now(self):
        loop, others, reads, writes = struct.unpack_from("4Q", self.counters)
        return loop + others, reads, writes

    def batch(self, requests):
        """Send all requests in one piece and take all answers."""
        first = self.next
        out = bytearray()
        for method, params in requests:
            out += pack([0, self.next, method, params])
            self.next += 1
        self.client.raw(bytes(out))
        answers, buffer = {}, b""
        while len(answers) < len(requests):
            data = self.client.s.recv(1 << 20)
            if not data:
                raise Closed("closed")
            buffer += data
            at = 0
            try:
                while True:
                    message, at = unpack(buffer, at)
                    answers[message[1]] = message
            except Short:
                buffer = buffer[at:]
        for number in range(first, self.next):
            assert answers[number][2] is None, answers[number]
        return len(requests)

    def judge(self, trips):
        """trips(n) yields the batches of the n-th unit of work: each takes one read and one
        write, all together hardly any memory."""
        requests, calls = 0, {}
        for n in range(WARM):
            for requests_of_trip in trips(n):
                self.batch(requests_of_trip)
        before = self.now()
        for n in range(WARM, WARM + COUNTED):
            for trip, requests_of_trip in enumerate(trips(n)):
                _, reads, writes = self.now()
                requests += self.batch(requests_of_trip)
                after = self.now()
                calls.setdefault(trip, []).append((after[1] - reads, after[2] - writes))
        taken = self.now()[0] - before[0]
        assert taken <= requests * TAKEN_MAX, "%d times for %d requests" % (taken, requests)
        for trip in calls:
            middle = sorted(calls[trip])[COUNTED // 2]
            assert middle == (1, 1), "trip %d: %d reads, %d writes" % (trip, *middle)


def key_of(n):
    return (n * 7919) % KEYS


def key(n):
    return "key:%012d" % key_of(n)


def counted_with_records(*arguments):
    counted = Counted(*arguments)
    counted.batch([("create_store", [0, "s"])])
    for at in range(0, KEYS, 50):
        counted.batch([("put", [0, "s", VALUE, key(n)]) for n in range(at, at + 50)])
    return counted


def test_reads():
    with counted_with_records() as counted:
        counted.judge(lambda n: [[("get", [0, "s", key(n * BATCH + i)])
                                  for i in range(BATCH)]])


def test_durable_writes():
    with counted_with_records() as counted:
        counted.judge(lambda n: [[("put", [0, "s", VALUE, key(n * BATCH + i)])
                                  for i in range(BATCH)]])


def test_durable_writes_beside_a_lock():
    """Somebody has another store of the database for himself."""
    with counted_with_records() as counted:
        counted.batch([("begin", [9, {"lock": {"exclusive": ["other"]}}])])
        counted.judge(lambda n: [[("put", [0, "s", VALUE, key(n * BATCH + i)])
                                  for i in range(BATCH)]])


def test_writes_of_new_records():
    with counted_with_records() as counted:
        counted.judge(lambda n: [[("put", [0, "s", VALUE, "new:%012d" % (n * BATCH + i)])
                                  for i in range(BATCH)]])


def test_writes_without_a_sync():
    def put(n):
        return ("run", [[["put", ["s", VALUE, key(n)]]], {"durability": "interval"}])

    with counted_with_records() as counted:
        counted.judge(lambda n: [[put(n * BATCH + i) for i in range(BATCH)]])


def test_writes_to_a_server_that_answers_before_the_sync():
    with counted_with_records("--durability", "interval") as counted:
        counted.judge(lambda n: [[("put", [0, "s", VALUE, key(n * BATCH + i)])
                                  for i in range(BATCH)]])


def test_transactions_in_one_call():
    def run(n):
        return ("run", [[["get", ["s", key(2 * n)]], ["get", ["s", key(2 * n + 1)]],
                         ["put", ["s", VALUE, key(2 * n)]],
                         ["put", ["s", VALUE, key(2 * n + 1)]]]])

    with counted_with_records() as counted:
        counted.judge(lambda n: [[run(n * BATCH + i) for i in range(BATCH)]])


def test_transactions_in_two_trips():
    """As many at a time as a batch of four requests each makes."""
    at_a_time = BATCH // 4

    def trips(n):
        ts = [(t + 1, key(2 * (n * at_a_time + t)), key(2 * (n * at_a_time + t) + 1))
              for t in range(at_a_time)]
        first = [r for t, a, b in ts for r in (
            ("begin", [t]), ("get", [t, "s", a]), ("get", [t, "s", b]))]
        second = [r for t, a, b in ts for r in (
            ("put", [t, "s", VALUE, a]), ("put", [t, "s", VALUE, b]), ("commit", [t]))]
        return [first, second]

    with counted_with_records() as counted:
        counted.judge(trips)


def scan(n):
    return ("scan", [0, "s", {"gte": "key:%012d" % (n % 200)}, {"limit": 100}])


def test_scans():
    """Of 100 records each."""
    with counted_with_records() as counted:
        counted.judge(lambda n: [[scan(n * 4 + i) for i in range(4)]])


def test_scans_of_what_is_merged():
    """The same of pages."""
    with counted_with_records() as counted:
        counted.batch([("amalgamate", [])])
        counted.judge(lambda n: [[scan(n * 4 + i) for i in range(4)]])


def test_reads_of_what_is_merged():
    with counted_with_records() as counted:
        counted.batch([("amalgamate", [])])
        counted.judge(lambda n: [[("get", [0, "s", key(n * BATCH + i)])
                                  for i in range(BATCH)]])
