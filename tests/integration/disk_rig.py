"""What power_cut.py and sync_errors.py stand on: a file system on a loop device whose image can be copied, a
writer that knows what was acknowledged, and a judge of what a disk holds.

Needs root, loop devices and mkfs; without them Missing says what is not there, and a script ends with 77."""
import argparse
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from holdfast import daemon
from totals import totals

IMAGE_BYTES = {"ext4": 128 << 20, "xfs": 320 << 20}
WINDOW = 16  # commits in flight


class Missing(Exception):
    """What it needs is not on this machine."""


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Missing("%s: %s" % (" ".join(command[:2]), done.stdout.strip().splitlines()[-1:]))
    return done.stdout.strip()


class Disk:
    """An image on a loop device, mounted."""

    def __init__(self, folder, name, image, fs):
        self.image = image
        self.at = os.path.join(folder, name)
        self.device = None
        os.makedirs(self.at)
        try:
            self.device = run("losetup", "-f", "--show", image)
            # The copy of an image has the same UUID, and both are mounted at once.
            run("mount", *(("-o", "nouuid") if fs == "xfs" else ()), self.device, self.at)
        except Missing:
            self.close()
            raise

    def close(self):
        subprocess.run(["umount", self.at], stderr=subprocess.DEVNULL)
        if self.device:
            subprocess.run(["losetup", "-d", self.device], stderr=subprocess.DEVNULL)
        self.device = None

    def writes(self):
        """(done, under way) as the kernel counts them."""
        with open("/sys/block/%s/stat" % os.path.basename(self.device), encoding="ascii") as f:
            fields = f.read().split()
        with open("/sys/block/%s/inflight" % os.path.basename(self.device), encoding="ascii") as f:
            return int(fields[4]), int(f.read().split()[1])


def make_image(folder, fs, *flags):
    if os.geteuid():
        raise Missing("not root")
    if not os.path.exists("/dev/loop-control"):
        raise Missing("no loop devices")
    if not shutil.which("mkfs." + fs, path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin"):
        raise Missing("mkfs.%s is not installed" % fs)
    image = os.path.join(folder, "disk.img")
    with open(image, "wb") as f:
        f.truncate(IMAGE_BYTES[fs])
    os.environ["PATH"] += ":/sbin:/usr/sbin"
    run("mkfs." + fs, "-q", *(("-F",) if fs == "ext4" else ()), *flags, image)
    return image


class Writer:
    """Transaction n puts record n and sets the head to n."""

    def __init__(self, c, rng, sent):
        self.c, self.rng = c, rng
        self.sent = self.acknowledged = sent
        self.pending = {}

    @staticmethod
    def record(n):
        return {"n": n, "pad": "%d" % n * (1 + n * 7919 % 400)}

    def step(self):
        while len(self.pending) < WINDOW:
            self.sent += 1
            n = self.sent
            self.pending[self.c.send("run", [["put", ["t", self.record(n), n]],
                                             ["put", ["head", n, 0]]])] = n
        self.take(0.02)

    def take(self, seconds=0):
        while self.c.buffer or select.select([self.c.s], [], [], seconds)[0]:
            seconds = 0
            self.c.poll()
            for msgid in list(self.c.replies):
                error, _ = self.c.replies.pop(msgid)
                if msgid in self.pending:
                    assert error is None, error
                    self.acknowledged = max(self.acknowledged, self.pending.pop(msgid))


def judge(data, acknowledged, sent):
    """How many transactions the disk holds."""
    with daemon(data=data) as d:
        with d.client() as c:
            head = c.call("get", 0, "head", 0) or 0
            if not acknowledged <= head <= sent:
                totals(lost=int(head < acknowledged), wrong=1)
                raise AssertionError("%d acknowledged, %d sent, %d there" %
                                     (acknowledged, sent, head))
            rows = c.rows(0, "t")
            assert [key for key, _ in rows] == list(range(1, head + 1)), "records of %d" % head
            assert all(value == Writer.record(key) for key, value in rows)
            assert c.call("check_data")["ok"]
    return head


def judge_copy(image, folder, fs, number, acknowledged, sent):
    """Judge an image, which is removed afterwards, by a server on it."""
    disk = Disk(folder, "copy%d" % number, image, fs)
    try:
        judge(os.path.join(disk.at, "data"), acknowledged, sent)
    finally:
        disk.close()
        os.remove(image)


def create_stores(c):
    for store in ("t", "head"):
        c.call("create_store", 0, store, {"key": None})


def script(doc, work, flags=()):
    """The main of a script: work(args, rng, folder, undo) gives its line; what it puts into the list undo is
    closed, the last first."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name, settings in flags:
        parser.add_argument(name, **settings)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing stays mounted
    folder = tempfile.mkdtemp(prefix="holdfast-disk.")
    undo = []
    try:
        print("%s, all acknowledged are there, none by half (seed %d)" %
              (work(args, random.Random(args.seed), folder, undo), args.seed))
        return 0
    except Missing as why:
        print("skipped: %s" % why)
        return 77
    except AssertionError:
        totals(wrong=1)
        raise
    finally:
        for one in reversed(undo):
            one.close()
        shutil.rmtree(folder, ignore_errors=True)
