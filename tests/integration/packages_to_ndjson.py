#!/usr/bin/env python3
"""Turn Debian's package index into NDJSON, one object for each stanza.

    apt-cache dumpavail | packages_to_ndjson.py > packages.ndjson

Fields are named as in the stanza, continuation lines are joined with a line feed (their
leading blank is gone, and a lone "." in one is an empty line, as Debian's policy has it),
and Installed-Size and Size are integers. Lines that are no field are an error that names
the line. Reads as a stream: the index may be larger than memory.
"""

import json
import sys

INTEGERS = {"Installed-Size", "Size"}


def finish(stanza):
    """The stanza's lists of lines as texts and integers."""
    record = {}
    for name, lines in stanza.items():
        text = "\n".join(lines)
        record[name] = int(text) if name in INTEGERS else text
    return record


def stanzas(lines):
    """Each stanza as a dict, in the order of the file."""
    stanza, name = {}, None
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\n")
        if not line.strip():
            if stanza:
                yield finish(stanza)
            stanza, name = {}, None
        elif line[0] in " \t":
            if name is None:
                raise ValueError(f"line {number}: a continuation of nothing")
            text = line[1:]
            stanza[name].append("" if text == "." else text)
        else:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError(f"line {number}: no field: {line[:60]!r}")
            value = value.strip()
            # A field whose text begins on the next line has nothing on its own.
            stanza[name] = [value] if value else []
    if stanza:
        yield finish(stanza)


def main():
    stdin = open(sys.stdin.fileno(), encoding="utf-8", errors="strict", newline="\n", closefd=False)
    stdout = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False)
    try:
        for record in stanzas(stdin):
            json.dump(record, stdout, ensure_ascii=False, separators=(",", ":"))
            stdout.write("\n")
        stdout.flush()
    except ValueError as error:
        print(f"packages_to_ndjson.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
