"""Failures of an evaluation; apart from `attempt`, whose import takes seconds."""


class EvaluationError(Exception):
    """The engine returned an error while generating; the caller determines the cause.

    Attributes:
        items: ids of the items that failed.
        refused: the engine refused a request (a client error such as a prompt that is too long), so that trying again
            gives the same error.
    """

    def __init__(self, reason: str, items: tuple[str, ...] = (), refused: bool = False) -> None:
        super().__init__(reason)
        self.items = items
        self.refused = refused
