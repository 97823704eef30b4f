#!/usr/bin/env python3
"""Power cuts on a real file system: an image of the disk is copied while a server writes to it.

    power_cut.py [--fs ext4|xfs] [--seconds N] [--seed S]

The server's data directory is on a loop device. Now and then the server stands still (SIGSTOP), the
image below the device is copied, and a copy counts if the device has seen no write meanwhile: then
it is what a disk would hold if the power had gone off at that moment. What the file system had
in memory is not in it. The copy is mounted, which replays the file system's journal, and a server is
started on it: all that was acknowledged before must be there, and nothing by half.

Needs root, loop devices and mkfs; without them it says so and ends with 77."""
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from disk_rig import (Disk, IMAGE_BYTES, Writer, create_stores, judge_copy, make_image,  # noqa: E402
                      script)
from holdfast import daemon  # noqa: E402
from totals import totals  # noqa: E402

COPIES_MAX = 40  # of one moment, until one is of a disk that nobody wrote to


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
    judge_copy(copy, folder, fs, number, acknowledged, sent)
    return True


def work(args, rng, folder, undo):
    images = restless = 0
    disk = Disk(folder, "disk", make_image(folder, args.fs), args.fs)
    undo.append(disk)
    end = time.monotonic() + args.seconds
    with daemon("--stage-size", "128KiB", "--link-max", "64KiB",
                data=os.path.join(disk.at, "data")) as d:
        with d.client() as c, d.client() as operator:
            create_stores(c)
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
    return "power_cut: %s: %d images, %d transactions" % (args.fs, images, total)


if __name__ == "__main__":
    sys.exit(script(__doc__, work, [("--fs", {"choices": sorted(IMAGE_BYTES), "default": "ext4"})]))
