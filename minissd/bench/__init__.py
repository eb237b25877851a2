"""How fast minissd is, measured against others that compute the same: ``minissd bench``.

Read in this order: `timing` (who is timed when, and what is kept), `agreement` (no ratio without equal
results), `contest` (both together: one row of the table), `workloads` (what is measured), `peers` and the
modules named ``torch_`` (those it is measured against), `run` and `report` (the table and the files).
"""
