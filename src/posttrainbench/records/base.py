"""The base of all records."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of all records: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
