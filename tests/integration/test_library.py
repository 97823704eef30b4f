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


def test_values_are_packed_and_read(d):
    scene(d, "values_are_packed_and_read")


def test_threads_share_a_pool(d):
    scene(d, "threads_share_a_pool")


def test_a_pool_waits_and_revives(d):
    scene(d, "a_pool_waits_and_revives")


def test_programs_link_what_they_use_and_no_more():
    used = {"holdfastd": {"libuv", "liblz4", "libxxhash"}, "holdfast": {"libedit", "libutf8proc"}, "libholdfast.so": set()}
    for name, wanted in used.items():
        path = os.path.join(os.path.dirname(os.path.abspath(binary())), name)
        shown = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        needed = {line.split("[")[1].split(".so")[0] for line in shown.split("\n") if "(NEEDED)" in line}
        assert needed - {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64", "libpthread", "libasan", "libubsan", "libtsan",
                         "libgcc_s"} == wanted, (name, needed)
