"""Child process that prints the rows of the Parquet, Arrow or ORC file on standard input as JSON lines.

It is a separate process with resource limits because the file may be hostile and its parser is native code: a crash or
a decompression bomb ends this process, not the scan. Exit codes: 0 all rows were printed, 3 pyarrow is not installed,
other values are failures.

With the name of a codec (`lz4` or `brotli`) as argument, it prints the decompressed content instead.

Lines are assembled by column, without a Python object for each value.
"""

import json
import resource
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

MEMORY = 8 * 2**30  # address space; pyarrow alone reserves more than one GiB
CPU_SECONDS = 3600
ROWS = 1024
NO_READER = 3


def main() -> int:
    """Print the rows and return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        columns = Columns()
    except ImportError:
        return NO_READER
    for lines in columns.decompressed(sys.argv[1]) if len(sys.argv) > 1 else columns.lines():
        sys.stdout.buffer.write(lines)
    return 0


class Columns:
    """Converts the file on standard input."""

    def __init__(self) -> None:
        self._arrow: Any = import_module("pyarrow")
        self._compute: Any = import_module("pyarrow.compute")
        self._text = self._arrow.large_string()

    def lines(self) -> Iterator[Any]:
        """Yield buffers of rows as JSON lines."""
        for batch in self._batches():
            for start in range(0, batch.num_rows, ROWS):
                rows = self._json(batch.slice(start, ROWS).to_struct_array())
                ends = self._arrow.array([0, len(rows)], self._arrow.int64())
                rows = self._compute.fill_null(rows, "null")
                joined = self._compute.binary_join(
                    self._arrow.LargeListArray.from_arrays(ends, rows), self._arrow.scalar("\n", self._text)
                )
                yield joined[0].as_buffer()
                yield b"\n"

    def decompressed(self, codec: str) -> Iterator[Any]:
        """Yield the content of a compressed file."""
        source = self._arrow.CompressedInputStream(self._arrow.PythonFile(sys.stdin.buffer, mode="r"), codec)
        while data := source.read(2**20):
            yield data

    def _batches(self) -> Iterator[Any]:
        raw: Any = sys.stdin.buffer
        magic = raw.peek(6)[:6]
        file = self._arrow.PythonFile(raw, mode="r")
        if magic.startswith(b"PAR1"):
            parquet: Any = import_module("pyarrow.parquet")
            yield from parquet.ParquetFile(file).iter_batches(batch_size=ROWS, use_threads=False)
        elif magic.startswith(b"ORC"):
            orc: Any = import_module("pyarrow.orc").ORCFile(file)
            for number in range(orc.nstripes):
                yield orc.read_stripe(number)
        elif magic == b"ARROW1":
            reader = self._arrow.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        else:
            yield from self._arrow.ipc.open_stream(file)

    def _json(self, column: Any) -> Any:
        """Return a column as JSON, one string for each row; null where the row is null."""
        kind, types = column.type, self._arrow.types
        if types.is_dictionary(kind):
            return self._json(column.dictionary_decode())
        if isinstance(column, self._arrow.ExtensionArray):
            return self._json(column.storage)
        if types.is_struct(kind):
            return self._object(column)
        if types.is_map(kind):
            pair = self._arrow.struct([("key", kind.key_type), ("value", kind.item_type)])
            return self._json(column.cast(self._arrow.list_(pair)))
        if types.is_fixed_size_list(kind):
            return self._json(column.cast(self._arrow.list_(kind.value_type)))
        if types.is_list(kind) or types.is_large_list(kind):
            return self._list(column)
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return self._string(column.cast(self._text))
        if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
            values = [value and value.decode("latin-1") for value in column.to_pylist()]
            return self._string(self._arrow.array(values, self._text))
        if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind):
            return column.cast(self._text)
        return self._string(column.cast(self._text))

    def _join(self, *pieces: Any) -> Any:
        """Concatenate strings row by row, writing nulls as `null`."""
        texts = [self._arrow.scalar(piece, self._text) if isinstance(piece, str) else piece for piece in pieces]
        end = self._arrow.scalar("", self._text)
        return self._compute.binary_join_element_wise(*texts, end, null_handling="replace", null_replacement="null")

    def _object(self, column: Any) -> Any:
        pieces: list[Any] = []
        for number in range(column.type.num_fields):
            name = json.dumps(column.type.field(number).name, ensure_ascii=False)
            before = "{" if number == 0 else ", "
            pieces += [f"{before}{name}: ", self._json(self._compute.struct_field(column, [number]))]
        if not pieces:
            return self._arrow.array(["{}"] * len(column), self._text)
        return self._join(*pieces, "}")

    def _list(self, column: Any) -> Any:
        inner = self._compute.fill_null(self._json(column.flatten()), "null")
        lengths = self._compute.fill_null(self._compute.list_value_length(column), 0).cast(self._arrow.int64())
        ends = self._compute.cumulative_sum(lengths)
        offsets = self._arrow.concat_arrays([self._arrow.array([0], self._arrow.int64()), ends])
        lists = self._arrow.LargeListArray.from_arrays(offsets, inner)
        return self._join("[", self._compute.binary_join(lists, self._arrow.scalar(", ", self._text)), "]")

    def _string(self, text: Any) -> Any:
        for raw, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
            text = self._compute.replace_substring(text, raw, escaped)
        quoted = self._join('"', text, '"')
        return self._compute.if_else(text.is_null(), self._arrow.scalar(None, self._text), quoted)


if __name__ == "__main__":
    sys.exit(main())
