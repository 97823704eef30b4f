"""Clients that know nothing of Holdfast: Debian's python3-pynvim and npm's
msgpack5rpc run transactions over their own MessagePack-RPC."""
import os
import shutil
import subprocess

from holdfast import Skipped

HERE = os.path.dirname(os.path.abspath(__file__))

PYNVIM = r'''
import sys
from pynvim.msgpack_rpc import tcp_session, socket_session

class Refused(Exception):
    pass

def transactions(s, store):
    s.error_wrapper = Refused  # its user says how an error is raised
    assert s.request("hello", {"client": "pynvim"})["protocol"] == 1
    s.request("create_store", 0, store)
    version = s.request("begin", 1, {"label": "from pynvim"})["version"]
    assert version > 0
    assert s.request("put", 1, store, {"text": "x", "n": [1, 2.5, None]}, "k") == "k"
    assert s.request("get", 1, store, "k") == {"text": "x", "n": [1, 2.5, None]}
    assert s.request("commit", 1)["commit"] > 0
    s.request("put", 0, store, 5, 7, async_=True)
    assert s.request("get", 0, store, 7) == 5
    assert [r[0] for r in s.request("scan", 0, store)["rows"]] == [7, "k"]
    s.request("begin", 1)
    s.request("put", 1, store, "lost", "k")
    assert s.request("rollback", 1) is None
    assert s.request("get", 0, store, "k")["text"] == "x"
    try:
        s.request("insert", 0, store, 1, "k")
    except Refused as e:
        assert e.args[0]["name"] == "EXISTS", e.args
    else:
        raise AssertionError("no error")
    s.close()

transactions(tcp_session("127.0.0.1", int(sys.argv[1])), "pynvim tcp")
transactions(socket_session(sys.argv[2]), "pynvim unix")
print("ok")
'''


def test_pynvim(d):
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import pynvim.msgpack_rpc"], capture_output=True).returncode:
        raise Skipped("python3-pynvim is not installed")
    got = subprocess.run([python, "-c", PYNVIM, str(d.tcp[0][1]), d.unix[0]], capture_output=True,
                         text=True, timeout=60)
    assert got.returncode == 0 and got.stdout == "ok\n", got


def test_npm_msgpack5rpc(d):
    if not shutil.which("node"):
        raise Skipped("node is not installed")
    where = os.path.join(HERE, "npm")
    if not os.path.isdir(os.path.join(where, "node_modules", "msgpack5rpc")):
        if not shutil.which("npm"):
            raise Skipped("npm is not installed")
        got = subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"],
                             cwd=where, capture_output=True, text=True, timeout=300)
        if got.returncode:
            raise Skipped("npm cannot install msgpack5rpc: " + got.stderr.strip().splitlines()[-1])
    got = subprocess.run(["node", os.path.join(where, "transactions.js"), str(d.tcp[0][1])],
                         capture_output=True, text=True, timeout=60)
    assert got.returncode == 0 and got.stdout == "ok\n", got
