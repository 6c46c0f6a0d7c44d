"""The command line interface, `ptb`: one thin module per group of commands, without logic of its own.

Exit codes: 0 success, 1 infrastructure error, 2 invalid input or an unexpected error, 130 interrupted. Commands whose
exit code 1 is a verdict exit with 2 on any error. Progress and notes go to standard error, results to standard output.
"""

import gc
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType

from posttrainbench.cli.console import outlive_reader
from posttrainbench.cli.interrupt import STOPPED, TERMINATED
from posttrainbench.cli.usage import NO_INPUT
from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.untrusted import printable


def main() -> None:
    """Run `ptb`."""
    # Install Python's default handler, which an event loop replaces with one that cancels its tasks. Background jobs of
    # a shell inherit an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGUSR1, _interrupt)  # from `ptb stop`
    outlive_reader("stderr")
    sys.executable = without_parents(sys.executable)
    gc.set_threshold(100_000, 50, 50)  # with the default, collections take a quarter of the time of a long list
    try:
        run_command()
    except InputError as error:
        print(f"ptb: {error}", file=sys.stderr)
        sys.exit(2)
    except InfrastructureError as error:
        print(f"ptb: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    except (SystemExit, KeyboardInterrupt):
        raise
    except (EOFError, ImportError) as error:
        if os.environ.get("PTB_DEBUG") == "1":
            traceback.print_exc()
        print(f"ptb: {missing(error)}", file=sys.stderr)
        sys.exit(2)
    except BaseException as error:  # panics of Rust extensions are not an Exception
        if debugging := os.environ.get("PTB_DEBUG") == "1":
            traceback.print_exc()
        print(f"ptb: {unexpected(error, debugging)}", file=sys.stderr)
        sys.exit(2)
    finally:
        gc.freeze()  # a last collection at exit would take half a second


def without_parents(path: str) -> str:
    """Return the path of an interpreter without `..`, as a sandbox has only the folders that its mounts name.

    The interpreter itself may be a link: a virtual environment is found by the path that it was started with.
    """
    given = Path(path)
    return str(given.parent.resolve() / given.name) if ".." in given.parts else path


def run_command() -> None:
    """Run the command that the command line names."""
    from posttrainbench.cli.job import run_light

    if (code := run_light(sys.argv[1:])) is not None:
        sys.exit(code)
    from posttrainbench.cli.app import app

    app()


def missing(error: EOFError | ImportError) -> str:
    """Return one sentence about missing input, or about a library that is missing or cannot be loaded."""
    if isinstance(error, EOFError):
        return NO_INPUT
    package = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and package not in ("", "posttrainbench"):
        return (
            f"The Python package {printable(package)} is not installed in this environment; "
            "install what local runs need: pip install 'posttrainbench[local]'."
        )
    text = printable(one_line(error)).rstrip(".")
    return f"A library could not be loaded ({text}); reinstall it: pip install 'posttrainbench[local]'."


def unexpected(error: BaseException, debugging: bool = False) -> str:
    """Return one sentence about an exception that no command handles."""
    if isinstance(error, OSError) and error.strerror:
        file = f"{printable(str(error.filename))}: " if error.filename is not None else ""
        text = f"{file}{error.strerror}."
    else:
        text = f"Unexpected {type(error).__name__}: {printable(one_line(error))}"
    return text if debugging else f"{text} PTB_DEBUG=1 shows where it happened."


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM and the signal of `ptb stop` like Ctrl-C without a terminal."""
    (STOPPED if number == signal.SIGUSR1 else TERMINATED).set()
    signal.raise_signal(signal.SIGINT)
