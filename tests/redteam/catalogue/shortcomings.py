"""Cases that are wrong, and why. Their tests are expected to fail: whoever mends one deletes it here."""

SHORTCOMINGS: dict[str, str] = {}
