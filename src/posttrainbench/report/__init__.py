"""Terminal tables and the leaderboard page. Import from the modules: the page needs Jinja2, which loads slowly."""
