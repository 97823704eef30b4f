"""Power cuts on real file systems, where this machine lets us mount one."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Skipped(Exception):
    """What the test needs is not on this machine."""


def power_cut(fs):
    done = subprocess.run([sys.executable, os.path.join(HERE, "power_cut.py"), "--fs", fs,
                           "--seconds", "1", "--seed", "5"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    if done.returncode == 77:
        raise Skipped(done.stdout.strip().replace("skipped: ", "", 1))
    assert done.returncode == 0, done.stdout


def test_what_was_acknowledged_survives_a_power_cut_on_ext4():
    power_cut("ext4")


def test_what_was_acknowledged_survives_a_power_cut_on_xfs():
    power_cut("xfs")
