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
    # Python's own handler, which an event loop replaces by one that cancels its tasks in order. A shell's background
    # jobs inherit that the signal is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
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
    signal.raise_signal(signal.SIGINT)
