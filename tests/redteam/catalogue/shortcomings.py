"""Known failures and their reasons. Their tests are expected to fail; remove an entry when its case is fixed."""

SHORTCOMINGS: dict[str, str] = {}
