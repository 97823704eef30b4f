"""SCRAM-SHA-256 as a client speaks it, by Python's own hashes, so that the server is judged by
something that shares no code with it."""
import base64
import hashlib
import hmac
import os

ITERATIONS = 4096  # the fewest that the server takes: the tests need not be slow


def b64(b):
    return base64.b64encode(b).decode()


def mac(key, text):
    return hmac.new(key, text.encode() if isinstance(text, str) else text, hashlib.sha256).digest()


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def keys(password, salt, iterations):
    """(client key, stored key, server key)"""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = mac(salted, "Client Key")
    return client, hashlib.sha256(client).digest(), mac(salted, "Server Key")


def verifier(password, iterations=ITERATIONS, salt=None):
    salt = salt or os.urandom(16)
    _, stored, server = keys(password, salt, iterations)
    return "SCRAM-SHA-256$%d:%s$%s:%s" % (iterations, b64(salt), b64(stored), b64(server))


class Exchange:
    """One login; each part can be changed by a test before it is sent."""

    def __init__(self, user, password, header="n,,", binding=b"", nonce=None):
        self.password = password
        self.header = header
        self.binding = binding
        self.nonce = nonce or b64(os.urandom(18))
        self.bare = "n=%s,r=%s" % (user.replace("=", "=3D").replace(",", "=2C"), self.nonce)

    def first(self):
        return self.header + self.bare

    def take_first(self, text):
        self.server_first = text
        parts = dict(p.split("=", 1) for p in text.split(","))
        self.both, self.salt, self.count = parts["r"], base64.b64decode(parts["s"]), int(parts["i"])
        assert self.both.startswith(self.nonce) and len(self.both) >= len(self.nonce) + 16
        return self

    def final(self, nonce=None):
        client, stored, self.server_key = keys(self.password, self.salt, self.count)
        channel = b64(self.header.encode() + self.binding)
        without = "c=%s,r=%s" % (channel, nonce or self.both)
        self.message = ",".join((self.bare, self.server_first, without))
        return without + ",p=" + b64(xor(client, mac(stored, self.message)))

    def is_server(self, text):
        return text == "v=" + b64(mac(self.server_key, self.message))


def login(client, user, password, **options):
    """Log the client in; the exchange, or what the server has answered instead is raised."""
    x = Exchange(user, password, **options)
    mechanism = "SCRAM-SHA-256-PLUS" if x.header.startswith("p=") else "SCRAM-SHA-256"
    x.take_first(client.call("login_begin", mechanism, x.first()))
    assert x.is_server(client.call("login_end", x.final()))
    return x
