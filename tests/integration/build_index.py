"""Indexes over many records built in the background, under writes and kills, compared with the same
built at rest.

    build_index.py [--records N] [--kills N]"""
import argparse
import sys
import time

from test_online import build


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--kills", type=int, default=20)
    o = parser.parse_args()
    begun = time.monotonic()
    killed = build(o.records, o.kills, 100)
    print("%d records, two indexes, %d kills: the same as at rest, in %d s" % (
        o.records, killed, time.monotonic() - begun))


if __name__ == "__main__":
    sys.exit(main())
