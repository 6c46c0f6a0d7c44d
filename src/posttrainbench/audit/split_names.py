"""Words by which names of files, columns, options and variables are recognized as those of rows to evaluate on."""

HELD_OUT = "(?:test|testing|val|valid|validation|eval|evals|evaluation|dev|held_?out|hold_?out)"
"""Regular expression for one such word, in lower case."""
PUBLISHED = "(?:test|valid|validation|dev|eval)"
"""Regular expression for the names that published data sets give to such splits."""
