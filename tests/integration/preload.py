"""A file of C that is loaded into a daemon or a client before anything else, and what it shares with the test."""
import mmap
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def preload(name, directory, **environment):
    """Build NAME.c into a directory; gives the environment of a program that it is to be loaded into."""
    library = os.path.join(directory, name + ".so")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, os.path.join(HERE, name + ".c"),
                    "-ldl"], check=True)
    # The sanitizer wants to be the first library, unless told.
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
            **environment}


def shared_page(path):
    """A file of one page, all zeros, that the library maps, too."""
    with open(path, "wb") as file:
        file.write(bytes(4096))
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 4096)
