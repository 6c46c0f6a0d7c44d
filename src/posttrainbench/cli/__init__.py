"""The command line: `ptb`. One thin module per group of commands; what they do stands in the other rooms.

Exit codes: 0 done, 1 an infrastructure error, 2 bad input, 130 interrupted. Progress and notes go to standard error,
results to standard output.
"""

import gc
import signal
import sys
from types import FrameType

from posttrainbench.cli.app import app
from posttrainbench.errors import InfrastructureError, InputError


def main() -> None:
    """Run `ptb`."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs inherit that it is ignored
        signal.signal(number, _interrupt)
    try:
        app()
    except InputError as error:
        print(f"ptb: {error}", file=sys.stderr)
        sys.exit(2)
    except InfrastructureError as error:
        print(f"ptb: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    finally:
        gc.freeze()  # the process ends: collecting what the system frees anyway would take half a second


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a run as orderly as Ctrl-C does."""
    raise KeyboardInterrupt
