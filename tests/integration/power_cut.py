#!/usr/bin/env python3
"""Power cuts on a real file system: an image of the disk is copied while a server writes to it.

    power_cut.py [--fs ext4|xfs] [--seconds N] [--seed S]

The server's data directory is on a loop device. Now and then the server stands still (SIGSTOP), the
image below the device is copied, and a copy counts if the device has seen no write meanwhile: then
it is what a disk would hold if the power had gone off at that moment. What the file system had
in memory is not in it. The copy is mounted, which replays the file system's journal, and a server is
started on it: all that was acknowledged before must be there, and nothing by half.

Needs root, loop devices and mkfs; without them it says so and ends with 77."""
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

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from holdfast import daemon  # noqa: E402
from totals import totals  # noqa: E402

IMAGE_BYTES = {"ext4": 128 << 20, "xfs": 320 << 20}
WINDOW = 16      # commits in flight
COPIES_MAX = 40  # of one moment, until one is of a disk that nobody wrote to


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


def cut(disk, folder, fs, number, acknowledged, sent):
    """Copy the image and judge the copy. False: the disk did not keep still."""
    copy = os.path.join(folder, "copy.img")
    for _ in range(COPIES_MAX):
        before = disk.writes()
        shutil.copyfile(disk.image, copy)
        if before[1] == 0 and disk.writes() == before:
            break
    else:
        return False
    other = Disk(folder, "copy%d" % number, copy, fs)
    try:
        judge(os.path.join(other.at, "data"), acknowledged, sent)
    finally:
        other.close()
        os.remove(copy)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fs", choices=sorted(IMAGE_BYTES), default="ext4")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing stays mounted
    folder = tempfile.mkdtemp(prefix="holdfast-power.")
    disk = None
    images = restless = 0
    try:
        disk = Disk(folder, "disk", make_image(folder, args.fs), args.fs)
        end = time.monotonic() + args.seconds
        with daemon("--stage-size", "128KiB", "--link-max", "64KiB",
                    data=os.path.join(disk.at, "data")) as d:
            with d.client() as c, d.client() as operator:
                for store in ("t", "head"):
                    c.call("create_store", 0, store, {"key": None})
                writer = Writer(c, rng, 0)
                while time.monotonic() < end or not images:
                    for _ in range(rng.randrange(1, 12)):
                        writer.step()
                        if rng.random() < 0.2:
                            operator.send(rng.choice(("rotate", "amalgamate")))
                    d.process.send_signal(signal.SIGSTOP)
                    try:
                        writer.take()
                        good = cut(disk, folder, args.fs, images + restless, writer.acknowledged,
                                   writer.sent)
                    finally:  # else it could not be ended
                        d.process.send_signal(signal.SIGCONT)
                    images, restless = images + good, restless + (not good)
                    assert restless < 20, "the disk is never quiet"
                total = writer.acknowledged
        totals(images=images, transactions=total)
        print("power_cut: %s: %d images, %d transactions, all acknowledged are there, none by half "
              "(seed %d)" % (args.fs, images, total, args.seed))
        return 0
    except Missing as why:
        print("skipped: %s" % why)
        return 77
    except AssertionError:
        totals(wrong=1)
        raise
    finally:
        if disk:
            disk.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
