"""The recorder's process: `python -m posttrainbench.sandbox.provenance CHANNEL JSON`.

CHANNEL is a socket that closes when the sandbox has ended. JSON has `directory`, where the record is written; `kept`,
the starts of the paths whose reading is recorded; `ignored`, exceptions that nobody in the sandbox can write. The
sandbox's first program sends the listener through the other end of CHANNEL or, if it cannot inherit that, through the
first connection to the listening socket `listening` (a descriptor); its file `socket` is then removed. `user` is the
user id and group id that the recorder takes on, those of the sandbox's processes; null to keep its own.
"""

import array
import contextlib
import json
import os
import platform
import resource
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from posttrainbench.sandbox.provenance.kernel import Listener, become, drop_capabilities
from posttrainbench.sandbox.provenance.record import COPIES, Record, epoch
from posttrainbench.sandbox.provenance.recorder import Recorder

VERSION = 1
ERRORS = "provenance-errors.txt"
DESCRIPTORS = 2**16
"""Descriptors that the recorder may have open, if the user's hard limit allows."""
ABSENT = "the sandbox did not start"
UNREACHED = "the sandbox did not start, or its first program could not connect to the recorder"


def main() -> None:
    """Receive the listener and record; a failure of the recorder itself leaves its reason beside the record."""
    options = json.loads(sys.argv[2])
    os.umask(0o077)
    Path(options["directory"]).mkdir(parents=True, exist_ok=True)
    folder = os.open(options["directory"], os.O_PATH | os.O_DIRECTORY)
    try:
        _record(options)
    except BaseException:
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(ERRORS, flags, 0o600, dir_fd=folder), "w") as file:
                file.write(traceback.format_exc())
        raise


def _record(options: dict[str, Any]) -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    record = Record(Path(options["directory"]))
    os.umask(0)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    with socket.socket(fileno=int(sys.argv[1])) as held:
        channel = _connection(held, options)
        _give_up_rights(options)
        with channel or contextlib.nullcontext():
            descriptor = _receive(channel, record, options)
    if descriptor is None:
        return
    recorder = Recorder(Listener(descriptor), record, options["kept"], options["ignored"])
    recorder.run()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = round(usage.ru_utime + usage.ru_stime, 3)
    record.close(calls=recorder.calls, cpu_seconds=cpu, memory=1024 * usage.ru_maxrss)
    os._exit(0)  # threads that wait for the sandbox may remain


def _connection(held: socket.socket, options: dict[str, Any]) -> socket.socket | None:
    """Return the socket from which the listener arrives; None if the sandbox ended before it connected."""
    if options["listening"] is None:
        return held.dup()
    with socket.socket(fileno=options["listening"]) as listening:
        poll = select.poll()
        for each in (held, listening):
            poll.register(each, select.POLLIN)
        ready = dict(poll.poll())
        channel = listening.accept()[0] if listening.fileno() in ready else None
    with contextlib.suppress(OSError):  # nothing can connect any more
        Path(options["socket"]).unlink()
        Path(options["socket"]).parent.rmdir()
    return channel


def _give_up_rights(options: dict[str, Any]) -> None:
    """Keep no more rights to files than the sandbox's processes have."""
    if options["user"] is None:
        drop_capabilities()
        return
    import hashlib  # noqa: F401  (`Record` imports it late, when it may be unreadable for the other user)

    for each in (Path(options["directory"]), Path(options["directory"], COPIES)):
        os.chown(each, *options["user"])
    become(*options["user"])


def _receive(channel: socket.socket | None, record: Record, options: dict[str, Any]) -> int | None:
    """Return the listener. None if there is none; the record then says why, and is closed."""
    message: bytes = b""
    ancillary: list[tuple[int, int, bytes]] = []
    if channel is not None:
        message, ancillary, _, _ = channel.recvmsg(256, socket.CMSG_SPACE(4))
    start = {"version": VERSION, "kernel": platform.release(), "kept": options["kept"], "epoch": epoch()}
    if not ancillary:
        absent = ABSENT if options["listening"] is None else UNREACHED
        record.write("start", **start)
        record.write("unavailable", reason=message[1:].decode(errors="replace") or absent)
        record.close()
    else:
        record.write("start", **start, killable=message == b"k")
        record.flush()
    if channel is not None:
        with contextlib.suppress(OSError):
            channel.send(b"k")
    if not ancillary:
        return None
    descriptor = array.array("i", ancillary[0][2])[0]
    os.set_inheritable(descriptor, False)
    return int(descriptor)


if __name__ == "__main__":
    main()
