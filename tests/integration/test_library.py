"""libholdfast against the real server: each scene of library.c, built by `make tests`."""
import os
import subprocess

from holdfast import binary

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(binary())), "tests", "library")


def scene(d, name):
    done = subprocess.run([LIBRARY, "%s:%d" % d.tcp[0], name], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done


def test_reads_by_index(d):
    scene(d, "reads_by_index")


def test_scans_by_index(d):
    scene(d, "scans_by_index")


def test_indexes_are_made_and_dropped(d):
    scene(d, "indexes_are_made_and_dropped")
