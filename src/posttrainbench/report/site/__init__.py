"""A static site about experiments: leaderboard, charts, comparisons and a page for each run.

Import from the modules: they need Jinja2, which loads slowly.
"""
