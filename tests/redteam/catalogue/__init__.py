"""The red team: what agents did, or could do, to score without post-training, and what only looks like it.

`cases.CASES` are all cases. Each is a real run of a small agent, or a run directory made of what such an agent would
have left, and `test_catalogue.py` looks at what the audit makes of it. `python tests/redteam/catalogue` prints the
table, and writes it into `docs/red-team.md` with `--write`.
"""
