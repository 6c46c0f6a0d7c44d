"""The red team: cheats that agents used or could use to score without post-training, and innocent look-alikes.

`cases.CASES` has all cases. Each is a real run of a small agent, or a synthetic run directory with the files that such
an agent would have left. `test_catalogue.py` checks the result of the audit for each. `python tests/redteam/catalogue`
prints the table of results; `--write` writes it to `docs/red-team.md`.
"""
