"""Power cuts, writes that fail and full disks on real file systems, where this machine lets us mount one."""
import os
import shutil
import subprocess
import sys
import tempfile

from holdfast import Skipped, daemon, until
from disk_rig import Disk, Missing, make_image
from test_full_disk import check, fill, frees

HERE = os.path.dirname(os.path.abspath(__file__))


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


def test_a_full_file_system_takes_what_frees_space_and_goes_on_when_there_is_room():
    """A real one, of 128 MiB."""
    folder = tempfile.mkdtemp(prefix="holdfast-full.")
    disk = None
    try:
        disk = Disk(folder, "disk", make_image(folder, "ext4"), "ext4")
        ballast = os.path.join(disk.at, "ballast")
        with open(ballast, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, 60 << 20)
        with daemon("--stage-size", "2MiB", "--staged-max", "16MiB", data=os.path.join(disk.at, "data")) as d:
            with d.client() as c:
                for name in ("big", "clear", "drop"):
                    c.call("create_store", 0, name)
                    c.call("put", 0, name, 1, 1)
                n, _ = fill(c, os.urandom(50000).hex())
                left = frees(c, n)
                check(c, left)
                os.unlink(ballast)
                c.call("amalgamate")  # rather than when it is next tried
                until(lambda: c.call("status")["health"]["state"] == "ok")
                assert c.call("put", 0, "big", "new", n) == n
                check(c, left + [n])
            d.kill()
            d.start()
            with d.client() as c:
                check(c, left + [n])
                assert c.call("check_data")["ok"]
    except Missing as why:
        raise Skipped(str(why)) from None
    finally:
        if disk:
            disk.close()
        shutil.rmtree(folder, ignore_errors=True)
