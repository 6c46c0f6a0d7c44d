"""Base class of the records."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base class of all records: frozen, and rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
