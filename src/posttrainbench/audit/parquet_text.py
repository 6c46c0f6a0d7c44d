"""Child process: the rows of the Parquet file on standard input, one JSON object per line on standard output.

It runs apart and under limits because the file is hostile and its parser is native code: a crash or a
decompression bomb ends this process and not the audit. Exit codes: 0 all rows, 3 no reader installed,
anything else failed.
"""

import json
import resource
import sys
from importlib import import_module
from typing import Any

MEMORY = 8 * 2**30  # address space; the reader alone reserves more than one GiB
CPU_SECONDS = 300
ROWS = 256


def main() -> int:
    """Print the rows; returns the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        pyarrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        return 3
    table = parquet.ParquetFile(pyarrow.PythonFile(sys.stdin.buffer, mode="r"))
    for batch in table.iter_batches(batch_size=ROWS, use_threads=False):
        for row in batch.to_pylist():
            print(json.dumps(row, ensure_ascii=False, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
