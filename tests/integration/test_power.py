"""Power cuts and writes that fail on real file systems, where this machine lets us mount one."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Skipped(Exception):
    """What the test needs is not on this machine."""


def script(name, *words):
    done = subprocess.run([sys.executable, os.path.join(HERE, name), *words, "--seconds", "1",
                           "--seed", "5"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120)
    if done.returncode == 77:
        raise Skipped(done.stdout.strip().replace("skipped: ", "", 1))
    assert done.returncode == 0, done.stdout


def test_what_was_acknowledged_survives_writes_that_the_disk_refuses():
    """The kernel tells of them once to each open description, at its next sync."""
    script("sync_errors.py")


def test_what_was_acknowledged_survives_a_power_cut_on_ext4():
    script("power_cut.py", "--fs", "ext4")


def test_what_was_acknowledged_survives_a_power_cut_on_xfs():
    script("power_cut.py", "--fs", "xfs")
