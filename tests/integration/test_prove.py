"""tests/prove.py: it adds up what programs say, and keeps what is needed to repeat a failure."""
import os
import re
import subprocess
import sys
import tempfile

from holdfast import ROOT

PROVE = os.path.join(ROOT, "tests", "prove.py")


def prove(folder, script, *flags):
    """(exit code, what it printed) of a proof whose only part is a script."""
    build = os.path.join(folder, "build")
    os.makedirs(os.path.join(build, "tests"))
    path = os.path.join(build, "tests", "test_salvage")
    with open(path, "w", encoding="utf-8") as out:
        out.write("#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    done = subprocess.run([sys.executable, PROVE, "--build", build, "--out", folder + "/out", "--only",
                           "test_salvage", "--minutes", "1", *flags], stdout=subprocess.PIPE, text=True,
                          timeout=60)
    return done.returncode, done.stdout


def test_what_programs_say_is_added_up():
    with tempfile.TemporaryDirectory() as folder:
        code, text = prove(folder, 'echo "images=1200 seeds=2" >> $PROVE_TOTALS\n'
                                   'echo "images=34 faults=5" >> $PROVE_TOTALS\n')
        assert code == 0, text
        last = text.splitlines()[-1]
        assert re.search(r"1,234 images, 2 seeds, 0 transactions, 5 faults, 0 executions, 0 of 0 "
                         r"mutants killed, 0 times acknowledged commits lost, 0 wrong answers, 0 failed",
                         last), last
        assert not os.path.exists(folder + "/out/scratch")


def test_a_lost_commit_fails_the_proof():
    with tempfile.TemporaryDirectory() as folder:
        code, text = prove(folder, 'echo "lost=1" >> $PROVE_TOTALS\n')
        assert code == 1 and "1 times acknowledged commits lost" in text, text


def test_a_failure_is_kept_with_the_command_that_repeats_it():
    with tempfile.TemporaryDirectory() as folder:
        code, text = prove(folder, "echo seed 77 is bad; exit 3\n")
        assert code == 1 and "1 failed turns" in text, text
        assert "FAILED test_salvage: ended with 3" in text and "again: " in text, text
        with open(re.search(r"log: (\S+)", text)[1], encoding="utf-8") as kept:
            assert kept.read() == "seed 77 is bad\n"
