"""Searches the review copy for a regular expression, in a process of its own: a model's expression may take for ever.

Stands alone. Reads a request, JSON, from standard input and writes one JSON line for each match. The caller kills it
when its time is up; memory and CPU time are limited here, and it can write no file.

Request: `{"root": directory, "pattern": expression, "files": [relative paths], "limit": matches, "around": N}`, where N
is a number of characters.
"""

import json
import re
import resource
import sys
from pathlib import Path

CPU_SECONDS = 30
MEMORY_BYTES = 2 * 2**30


def main() -> int:
    """Search; 2 for something that is no regular expression."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    request = json.loads(sys.stdin.read())
    try:
        expression = re.compile(request["pattern"], re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        print(json.dumps({"error": str(error)}))
        return 2
    left = request["limit"]
    for name in request["files"]:
        here = request["each"]
        with Path(request["root"], name).open("rb") as file:
            for number, data in enumerate(file, 1):
                line = data.decode("utf-8", "replace").rstrip("\n")
                found = expression.search(line)
                if found is None:
                    continue
                start = max(0, found.start() - request["around"])
                text = line[start : found.start() + 2 * request["around"]]
                print(json.dumps({"file": name, "line": number, "column": start + 1, "text": text}), flush=True)
                left, here = left - 1, here - 1
                if left == 0:
                    return 0
                if here == 0:
                    break
    return 0


if __name__ == "__main__":
    sys.exit(main())
