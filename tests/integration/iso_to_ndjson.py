#!/usr/bin/env python3
"""Turn Debian's iso-codes into NDJSON: countries, or their subdivisions.

    iso_to_ndjson.py countries > countries.ndjson         (key alpha_2)
    iso_to_ndjson.py subdivisions > subdivisions.ndjson   (key code)

A subdivision gets the code of its country as a field of its own, "country". --dir names
another folder with iso_3166-1.json and iso_3166-2.json.
"""

import argparse
import json
import os
import sys

FILES = {"countries": ("iso_3166-1.json", "3166-1"), "subdivisions": ("iso_3166-2.json", "3166-2")}


def records(directory, what):
    """The entries of one of the two files."""
    name, root = FILES[what]
    with open(os.path.join(directory, name), encoding="utf-8") as file:
        entries = json.load(file)[root]
    for entry in entries:
        if what == "subdivisions":
            entry = {"country": entry["code"].partition("-")[0], **entry}
        yield entry


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=sorted(FILES))
    parser.add_argument("--dir", default="/usr/share/iso-codes/json")
    arguments = parser.parse_args()
    stdout = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False)
    for record in records(arguments.dir, arguments.what):
        json.dump(record, stdout, ensure_ascii=False, separators=(",", ":"))
        stdout.write("\n")
    stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
