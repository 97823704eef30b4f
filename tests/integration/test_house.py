"""What stands around the programs: the README's tour, killing, installing, documents."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from holdfast import ROOT, Skipped, binary, daemon


def run(command, **options):
    """What a command prints; its failure, with all of that."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          errors="replace", **options)
    assert done.returncode == 0, "%r ended with %d\n%s" % (command, done.returncode,
                                                           done.stdout)
    return done.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_the_tour_of_the_readme():
    environment = dict(os.environ, HOLDFAST_BUILD=os.path.dirname(binary()),
                       HOLDFAST_PORT=str(free_port()))
    text = run([os.path.join(ROOT, "tests", "tour.sh")], env=environment)
    assert "# Done." in text, text


def test_the_readme_names_commands_that_are_there():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    verbs = run([binary("holdfast"), "--help"])
    for verb in re.findall(r"^ +holdfast ([a-z-]+)", text, re.M):
        assert re.search(r"^  %s\b" % verb, verbs, re.M), verb
    options = run([binary(), "--help"])
    for option in re.findall(r"--([a-z][a-z-]+)[ `]", text):
        if "--%s" % option not in options + verbs:
            details = [run([binary("holdfast"), "help", v]) for v in ("import", "scan")]
            assert any("--%s" % option in d for d in details), option
    for option in re.findall(r"\| .*? \| .*? \| (`.*`) \|", text):
        for name in re.findall(r"`([a-z-]+)`", option):
            assert "--%s" % name in options, name


def test_kills_at_random_moments_lose_nothing():
    loop = os.path.join(ROOT, "tests", "integration", "kill_loop.py")
    run([sys.executable, loop, "--rounds", "15", "--seconds", "60"])


def test_what_is_installed_works_and_the_example_of_the_library_too():
    if os.path.basename(os.path.dirname(binary())) != "release":
        raise Skipped("the library of a sanitizer's build needs its runtime")
    if not shutil.which("pkg-config"):
        raise Skipped("there is no pkg-config")
    with open(os.path.join(ROOT, "docs", "c-library.md"), encoding="utf-8") as file:
        example = re.search(r"```c\n(.*?)```", file.read(), re.S)[1]
    with tempfile.TemporaryDirectory(prefix="holdfast-install.") as folder:
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("MAKEFLAGS", "MFLAGS", "MODE")}
        run(["make", "install", "PREFIX=" + folder], cwd=ROOT, env=environment)
        with daemon() as d:
            environment["PKG_CONFIG_PATH"] = os.path.join(folder, "lib", "pkgconfig")
            environment["LD_LIBRARY_PATH"] = os.path.join(folder, "lib")
            source = os.path.join(folder, "example.c")
            program = os.path.join(folder, "example")
            with open(source, "w", encoding="utf-8") as file:
                file.write(example)
            flags = run(["pkg-config", "--cflags", "--libs", "holdfast"],
                        env=environment).split()
            for more in ([], ["-x", "c++"]):
                if more and not shutil.which("g++"):
                    continue
                compiler = ["g++" if more else "gcc"]
                compiler += ["-Wall", "-Wextra", "-Werror"]
                if more:  # -Wextra would have each member of {0} written out
                    compiler.append("-Wno-missing-field-initializers")
                run(compiler + more + [source, "-o", program] + flags, env=environment)
                assert "Alice is 30" in run([program, "%s:%d" % d.address], env=environment)
        for name in ("bin/holdfastd", "bin/holdfast", "lib/libholdfast.so.0",
                     "lib/systemd/system/holdfastd.service",
                     "share/doc/holdfast/config.example", "share/doc/holdfast/README.md"):
            assert os.path.exists(os.path.join(folder, name)), name
        run([os.path.join(folder, "bin", "holdfastd"), "--config",
             os.path.join(folder, "share/doc/holdfast/config.example"), "--check-config"])
