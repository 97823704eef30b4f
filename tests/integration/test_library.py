"""libholdfast against the real server: each scene of library.c, built by `make tests`, and the examples of its
page and its headers."""
import os
import re
import select
import socket
import subprocess
import tempfile
import threading

from holdfast import ROOT, Skipped, binary, daemon

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(binary())), "tests", "library")


def scene(d, name, address=None):
    done = subprocess.run([LIBRARY, address or "%s:%d" % d.tcp[0], name], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done


def test_reads_by_index(d):
    scene(d, "reads_by_index")


def test_a_connection_belongs_to_a_database(d):
    scene(d, "a_connection_belongs_to_a_database")


def test_openers_upgrade_and_leave(d):
    scene(d, "openers_upgrade_and_leave")


def test_a_pool_is_of_a_database(d):
    scene(d, "a_pool_is_of_a_database")


def test_locks_are_asked_for_at_begin(d):
    scene(d, "locks_are_asked_for_at_begin")


def test_a_loser_locks_what_it_wrote(d):
    scene(d, "a_loser_locks_what_it_wrote")


def test_scans_by_index(d):
    scene(d, "scans_by_index")


def test_cursors_go_to_a_key(d):
    scene(d, "cursors_go_to_a_key")


def test_indexes_are_made_and_dropped(d):
    scene(d, "indexes_are_made_and_dropped")


def test_values_are_packed_and_read(d):
    scene(d, "values_are_packed_and_read")


def test_savepoints_take_writes_back(d):
    scene(d, "savepoints_take_writes_back")


class Proxy:
    """Between a client and the server. Of every three commits one passes, one is cut before the server has it, one
    before its answer is back."""

    def __init__(self, address):
        self.address, self.commits, self.lost = address, 0, 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            client, _ = self.listening.accept()
            with client, socket.create_connection(self.address) as server:
                if not self.serve(client, server):
                    return

    def serve(self, client, server):
        """Until one of the two ends, or is made to; false: close() has asked for the end of all."""
        while True:
            for s in select.select([client, server], [], [])[0]:
                data = s.recv(65536)
                if data == b"end":
                    return False
                if not data:
                    return True
                if s is client and b"\xa6commit" in data:
                    self.commits += 1
                    if self.commits % 3 == 1:
                        self.lost += 1
                        return True
                    server.sendall(data)
                    if self.commits % 3 == 2:
                        self.lost += 1
                        server.recv(1)
                        return True
                else:
                    (server if s is client else client).sendall(data)

    def close(self):
        with socket.create_connection(self.listening.getsockname()) as s:
            s.sendall(b"end")
        self.thread.join()
        self.listening.close()


def test_a_token_tells_what_became_of_a_commit(d):
    scene(d, "a_token_tells_what_became_of_a_commit")


def test_lost_answers_are_no_question(d):
    with d.client() as c:
        c.call("create_store", 0, "pool")
    proxy = Proxy(d.tcp[0])
    try:
        scene(d, "lost_answers_are_no_question", "%s:%d" % proxy.listening.getsockname()[:2])
    finally:
        proxy.close()
    assert proxy.lost >= 20
    with d.client() as c:
        assert c.call("get", 0, "pool", 1) == 20
        c.call("drop_store", 0, "pool")


def test_a_loss_is_pushed_and_checked(d):
    scene(d, "a_loss_is_pushed_and_checked")


def test_threads_share_a_pool(d):
    scene(d, "threads_share_a_pool")


def test_a_pool_waits_and_revives(d):
    scene(d, "a_pool_waits_and_revives")


def test_programs_link_what_they_use_and_no_more():
    used = {"holdfastd": {"libuv", "liblz4", "libxxhash", "libutf8proc", "libssl", "libcrypto"},
            "holdfast": {"libedit", "libutf8proc", "libz", "libssl", "libcrypto"}, "libholdfast.so": {"libssl", "libcrypto"}}
    for name, wanted in used.items():
        path = os.path.join(os.path.dirname(os.path.abspath(binary())), name)
        shown = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        needed = {line.split("[")[1].split(".so")[0] for line in shown.split("\n") if "(NEEDED)" in line}
        others = {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64", "libpthread", "libasan", "libubsan", "libtsan",
                  "libgcc_s"}
        assert needed - others <= wanted, (name, needed)


# ---- What the page and the headers show ----

FLAGS = {"asan": ["-fsanitize=address,undefined"], "ubsan": ["-fsanitize=undefined"], "tsan": ["-fsanitize=thread"],
         "cov": ["--coverage"]}

FRAME = """#include <holdfast.h>
%s
#include <stdio.h>

%s

static int example(struct hf_conn *c)
{
    struct hf_row row = {HF_NONE, HF_NONE, {"\\x82\\xa4name\\xa3" "Ann\\xa3" "age\\x1e", 15}};
    struct hf_bytes name = HF_NONE, found = HF_NONE, stores = HF_NONE;
    int e = HF_OK, age = 0;
    unsigned count = 0;

    (void)row, (void)name, (void)found, (void)age, (void)count;
    if (hf_stores(c, NULL, &stores) != HF_OK)
        return HF_MISUSE;
    {
%s
    }
    return e;
}

int main(int argc, char **argv)
{
    struct hf_conn *c = argc == 2 ? hf_open(argv[1], NULL, NULL) : NULL;
    int e = c ? example(c) : HF_CONNECTION;

    if (e)
        fprintf(stderr, "%%s: %%s\\n", hf_code_name(e), c ? hf_conn_error(c)->message : "");
    hf_close(c);
    return e != HF_OK;
}
"""


def of_page(path):
    """The examples in ```c fences."""
    with open(os.path.join(ROOT, path)) as f:
        return re.findall(r"^```c\n(.*?)^```$", f.read(), re.M | re.S)


def of_header(path):
    """Runs of lines of a comment that are indented by five, each as one example."""
    examples, lines = [], []
    with open(os.path.join(ROOT, path)) as f:
        for line in list(f) + ["\n"]:
            if line.startswith(" *     ") or (line == " *\n" and lines):
                lines.append(line[7:] or "\n")
            elif lines:
                examples.append("".join(lines))
                lines = []
    return examples


def whole(example, header=""):
    """The example as a program: it is one, or functions and structs, and then statements."""
    if "int main(" in example:
        return example
    at = 0
    for end in re.finditer(r"^(?:};?)\n", example, re.M):
        if example[:end.end()].lstrip().startswith(("struct ", "static ")) and not re.match(
                r"struct \w+ \*?\w+ ?(=|;|\[)", example):
            at = end.end()
    return FRAME % (header, example[:at], example[at:])


def run_example(d, source, libraries=()):
    build = os.path.dirname(os.path.abspath(binary()))
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "example.c")
        with open(path, "w") as f:
            f.write(source)
        made = subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror", "-I",
                               os.path.join(ROOT, "client/lib"), *FLAGS.get(os.path.basename(build), []), "-o", path[:-2],
                               path, os.path.join(build, "libholdfast.a"), "-lssl", "-lcrypto", "-lpthread", *libraries], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr + source
        done = subprocess.run([path[:-2], "%s:%d" % d.tcp[0]], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == "", (done, source)
        return done.stdout


def test_the_examples_of_the_page_run():
    examples = of_page("docs/c-library.md")
    assert len(examples) >= 9
    with daemon() as d:
        printed = "".join(run_example(d, whole(e)) for e in examples)
    for text in ("Alice is 30", "new\nvip", "found by name"):
        assert text in printed, printed


def test_the_examples_of_the_headers_run(d):
    with d.client() as c:
        c.call("create_store", 0, "people", {"generate": True})
    examples = of_header("client/lib/holdfast.h")
    assert len(examples) == 3, examples
    assert "Ann is 30" in "".join(run_example(d, whole(e)) for e in examples)
    with d.client() as c:
        assert c.call("get", 0, "people", 1) == {"name": "Ann", "age": 30, "tags": ["new", "vip"]}
        c.call("put", 0, "people", {"seven": True}, 7)
    if not os.path.exists("/usr/include/msgpack.h"):
        raise Skipped("msgpack-c is not here")
    examples = of_header("client/lib/holdfast_msgpack.h")
    assert len(examples) == 1, examples
    assert '{"seven"=>true}' in run_example(d, whole(examples[0], "#include <holdfast_msgpack.h>"), ["-lmsgpackc"])
