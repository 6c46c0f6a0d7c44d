"""Failures of an evaluation; apart from `attempt`, whose import takes seconds."""


class EvaluationError(Exception):
    """The engine returned an error while generating; the caller determines the cause."""
