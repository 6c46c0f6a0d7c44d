"""Search the review copy for a regular expression, in a separate process because matching may not terminate.

Imports nothing of this package. Reads a JSON request from standard input and prints one JSON line for each match, and
one for each file with the number of its matching lines, printed or not. The caller kills the process after a time
limit. CPU time and memory are limited here, and files cannot be written.

Request: `{"root": directory, "pattern": expression, "files": [relative paths], "limit": matches, "each": matches in one
file, "around": characters before a match}`.
"""

import json
import re
import resource
import sys
from pathlib import Path

CPU_SECONDS = 30
MEMORY_BYTES = 2 * 2**30


def main() -> int:
    """Run the search. Returns the exit code: 2 if the pattern is not a valid regular expression."""
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
        count = 0
        with Path(request["root"], name).open("rb") as file:
            for number, data in enumerate(file, 1):
                line = data.decode("utf-8", "replace").rstrip("\n")
                found = expression.search(line)
                if found is None:
                    continue
                count += 1
                if left <= 0 or count > request["each"]:
                    continue
                start = max(0, found.start() - request["around"])
                text = line[start : found.start() + 2 * request["around"]]
                print(json.dumps({"file": name, "line": number, "column": start + 1, "text": text}), flush=True)
                left -= 1
        if count:
            print(json.dumps({"file": name, "count": count}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
