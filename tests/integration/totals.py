"""What a program has done, for `make prove`: one line in the file PROVE_TOTALS, as
tests/sim/totals.h writes it."""
import os


def totals(**counts):
    """Add counts (images=, seeds=, transactions=, lost=, wrong=, ...)."""
    path = os.environ.get("PROVE_TOTALS")
    if path:
        with open(path, "a", encoding="utf-8") as out:
            out.write(" ".join("%s=%d" % pair for pair in counts.items()) + "\n")
