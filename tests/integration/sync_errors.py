#!/usr/bin/env python3
"""A disk that refuses what it has taken: writes that fail behind a server's back, on a real file system.

    sync_errors.py [--seconds N] [--seed S]

The server's data directory is an ext4 on a loop device, whose image is a file with holes on a small
tmpfs. What the log has made ready is zeros: there, and nowhere else, holes are punched into the image, and
then the tmpfs is filled up. (What the file system notes for itself must be kept: a lost block of that is
told to nobody.) So the kernel takes the server's writes into its memory, and the disk below
refuses them: the error is told once to each open description, at its next sync, and the pages count as
clean. Then the server must have ended, with nothing acknowledged that the disk has not; a server that is
started on the same mount, where the kernel's memory may still show what the disk refused, must have all
that was acknowledged and nothing by half, and so must one on a copy of the image.

Needs root, loop devices, tmpfs and mkfs.ext4; without them it says so and ends with 77."""
import ctypes
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from disk_rig import (Disk, Missing, Writer, create_stores, judge, judge_copy, make_image,  # noqa: E402
                      run, script)
from holdfast import Closed, Daemon  # noqa: E402
from totals import totals  # noqa: E402

SMALL_BYTES = 160 << 20   # of the tmpfs; the image is smaller, so that only the ballast fills it
BLOCK = 4096
PUNCH, KEEP_SIZE = 2, 1
FLAGS = ("--stage-size", "128KiB", "--link-max", "64KiB", "--wal-segment-size", "16MiB")

libc = ctypes.CDLL(None, use_errno=True)


def extents(path):
    """(first, bytes) on the device, as filefrag says."""
    for line in run("filefrag", "-v", "-b%d" % BLOCK, path).splitlines():
        found = re.match(r"\s*\d+:\s*\d+\.\.\s*\d+:\s*(\d+)\.\.\s*\d+:\s*(\d+):", line)
        if found:
            yield int(found[1]) * BLOCK, int(found[2]) * BLOCK


def punch_zeros(image, path):
    """Where the file has zeros, the image has holes afterwards, and nowhere else: what the file
    system notes for itself must not be lost, since nobody would be told."""
    zeros = bytes(BLOCK)
    with open(image, "r+b") as f:
        for first, size in extents(path):
            for at in range(first, first + size, BLOCK):
                if os.pread(f.fileno(), BLOCK, at) == zeros and libc.fallocate(
                        f.fileno(), PUNCH | KEEP_SIZE, ctypes.c_long(at), ctypes.c_long(BLOCK)):
                    raise Missing("no holes can be punched here: %s" %
                                  os.strerror(ctypes.get_errno()))


def flush(path):
    """Of the whole file system; it may be told of a failure that is over."""
    subprocess.run(["sync", "-f", path], stderr=subprocess.DEVNULL)


class Small:
    """A tmpfs that can be filled up."""

    def __init__(self, folder):
        self.at = os.path.join(folder, "small")
        os.makedirs(self.at)
        run("mount", "-t", "tmpfs", "-o", "size=%d" % SMALL_BYTES, "tmpfs", self.at)

    def fill(self):
        with open(os.path.join(self.at, "ballast"), "wb", buffering=0) as f:
            for size in (1 << 20, BLOCK):
                try:
                    while f.write(bytes(size)) == size:
                        pass
                except OSError as e:
                    assert e.errno == errno.ENOSPC, e

    def empty(self):
        path = os.path.join(self.at, "ballast")
        if os.path.exists(path):
            os.unlink(path)

    def close(self):
        subprocess.run(["umount", self.at], stderr=subprocess.DEVNULL)


def told_once(folder, small, image):
    """The kernel tells each open description once. False: it told nobody."""
    path = os.path.join(folder, "probe")
    with open(path, "wb") as f:
        f.write(bytes(16 * BLOCK))
        os.fsync(f.fileno())
    flush(path)
    punch_zeros(image, path)
    small.fill()
    told = []
    one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    try:
        os.pwrite(one, b"x" * BLOCK, 4 * BLOCK)
        for fd in (one, one, two, two):
            try:
                os.fdatasync(fd)
                told.append(False)
            except OSError as e:
                assert e.errno in (errno.EIO, errno.ENOSPC), e
                told.append(True)
    finally:
        os.close(one)
        os.close(two)
        small.empty()
        os.unlink(path)
    if told != [True, False, True, False]:
        raise Missing("this kernel does not tell each description once: %s" % told)


def load(d, rng, writer, begin_to_fail):
    """Write until the server ends. False: it did not meet the failure."""
    with d.client() as c, d.client() as operator:
        writer.c = c
        try:
            for _ in range(rng.randrange(1, 30)):
                writer.step()
            begin_to_fail()
            end = time.monotonic() + 20
            while time.monotonic() < end and d.process.poll() is None:
                writer.step()
                if rng.random() < 0.1:
                    operator.send(rng.choice(("rotate", "amalgamate")))
        except (Closed, OSError):
            pass
        except AssertionError as e:
            if not any(name in str(e) for name in ("LOG_FAILED", "IO", "CORRUPT", "NO_SPACE")):
                raise
        try:  # what it still had to say
            writer.take()
        except (Closed, OSError, AssertionError):
            pass
    return d.process.poll() is not None or d.process.wait(20) is not None


def one_round(folder, small, disk, number, rng, writer):
    data = os.path.join(disk.at, "data")
    d = Daemon(*FLAGS, data=data)

    def begin_to_fail():
        while writer.pending:  # what is on its way must not meet the punching
            writer.take(0.5)
        d.process.send_signal(signal.SIGSTOP)
        flush(disk.at)
        for name in os.listdir(os.path.join(data, "wal")):
            punch_zeros(disk.image, os.path.join(data, "wal", name))
        small.fill()
        d.process.send_signal(signal.SIGCONT)

    try:
        writer.pending.clear()
        assert load(d, rng, writer, begin_to_fail), "the server goes on"
        assert d.process.returncode != 0 and "wal_failed" in d.errors().lower(), d.errors()[-2000:]
    finally:
        d.process.send_signal(signal.SIGCONT)
        d.kill()
        small.empty()
    head = judge(data, writer.acknowledged, writer.sent)  # on the same mount
    flush(disk.at)
    copy = os.path.join(folder, "copy.img")
    shutil.copyfile(disk.image, copy)
    judge_copy(copy, folder, "ext4", number, head, head)  # what was answered is on the disk
    writer.sent = writer.acknowledged = head


def work(args, rng, folder, undo):
    rounds = 0
    if os.geteuid():
        raise Missing("not root")
    small = Small(folder)
    undo.append(small)
    # Without a journal, so that the data fails and not what the file system notes of it.
    image = make_image(small.at, "ext4", "-O", "^has_journal", "-E",
                       "nodiscard,lazy_itable_init=0", "-b", str(BLOCK))
    with open(image, "r+b") as f:  # all of it is there, but for the holes that are punched
        os.posix_fallocate(f.fileno(), 0, os.path.getsize(image))
    disk = Disk(folder, "disk", image, "ext4")
    undo.append(disk)
    told_once(disk.at, small, image)
    end = time.monotonic() + args.seconds
    writer = Writer(None, rng, 0)
    with Daemon(*FLAGS, data=os.path.join(disk.at, "data")) as d, d.client() as c:
        create_stores(c)
    while time.monotonic() < end or not rounds:
        one_round(folder, small, disk, rounds, rng, writer)
        rounds += 1
    totals(images=2 * rounds, faults=rounds, transactions=writer.acknowledged)
    return "sync_errors: %d rounds, %d transactions" % (rounds, writer.acknowledged)


if __name__ == "__main__":
    sys.exit(script(__doc__, work))
