"""Histories of many clients, and a judge of them (`make histories`).

A history is what clients saw: transactions with their operations, answers and times.
`load.py` makes one on a real server while that is rotated, amalgamated, killed and
started again; `checker.py` infers from it which transaction must stand before which,
and says where that cannot be; `graph.py` finds the cycles; `story.py` tells them."""
