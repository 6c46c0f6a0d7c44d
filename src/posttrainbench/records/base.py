"""Base class of the records."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base class of all records: frozen, and rejects unknown keys.

    Validators are built at their first use, so that commands which need few records start fast.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
