"""Charts of leaderboards: one definition each, for the site and for figures in papers.

Import from the modules: `specs` needs Altair and `render` needs vl-convert, both of the extra `report`.
"""
