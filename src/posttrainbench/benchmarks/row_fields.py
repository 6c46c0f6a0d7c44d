"""Read fields of published rows; errors name the row and the key."""

from posttrainbench.benchmarks.base import Row
from posttrainbench.errors import InputError

HINT = "use the file as published by its authors."


def text_field(place: str, row: Row, *keys: str) -> str:
    """Return the text of the first of the keys that the row has, without surrounding white space.

    Args:
        place: name of the row in errors, such as `gsm8k/test/0007`.
        keys: names of the same field in different releases of the data.

    Raises:
        InputError: the row has none of the keys, or the value is not a text or is empty.
    """
    key = next((key for key in keys if key in row), None)
    if key is None:
        raise InputError(f"Row {place} has no `{'` or `'.join(keys)}`, but {', '.join(map(str, row))}; {HINT}")
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        raise wrong_field(place, key, value, "a text")
    return value.strip()


def wrong_field(place: str, key: str, value: object, wanted: str) -> InputError:
    """Return the error for a field with an invalid value."""
    return InputError(f"Row {place}: `{key}` is {str(value)[-60:]!r}, expected {wanted}; {HINT}")
