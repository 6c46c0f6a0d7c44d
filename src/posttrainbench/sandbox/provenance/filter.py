"""The seccomp filter (classic BPF) that makes system calls wait for the recorder.

Bits that are in registers are decided here, since another thread cannot change them: opening a directory or a mere
handle to a path (`O_PATH`) and creating a thread are allowed without asking. Refused are options that would hide who
passes data to whom: processes with another parent than their creator (`CLONE_PARENT`, a child subreaper), connections
made by sending (`MSG_FASTOPEN`), file leases (they would block the recorder) and netlink messages between users.
Hiding a process from others of the same user (`PR_SET_DUMPABLE`), which some programs insist on, succeeds without
effect.
"""

import errno
import platform

from posttrainbench.sandbox.provenance.syscalls import NOTIFIED, REFUSED, RESTRICTED
from posttrainbench.sandbox.seccomp import (
    ALLOW,
    ANY_OF,
    ARCHITECTURE,
    AT_LEAST,
    EQUAL,
    FIRST_ARGUMENT,
    FOREIGN,
    LOAD,
    MACHINE,
    NUMBER,
    REFUSE,
    RETURN,
    instruction,
)

NOTIFY = 0x7FC00000
MASK = 0x54
"""BPF opcode of a bitwise and."""
DIRECTORY_FLAG = {"x86_64": 0o200000, "aarch64": 0o40000}
"""`O_DIRECTORY`, which differs between processors."""
PATH_ONLY, TEMPORARY_FILE = 0o10000000, 0o20000000
"""`O_PATH`, and the bit that together with `O_DIRECTORY` is `O_TMPFILE`."""
CLONE_THREAD, CLONE_PARENT = 0x10000, 0x8000
REMOVE_DIRECTORY = 0x200
STREAM, SEQUENTIAL, TYPE_MASK = 1, 5, 0xF
NETLINK, USER_MESSAGES = 16, 2
SUBREAPER, DUMPABLE, SET_LEASE, FAST_OPEN = 36, 4, 1024, 0x20000000
FLAGS_ARGUMENT = {"open": 1, "openat": 2}


def notification_filter(machine: str = platform.machine()) -> bytes | None:
    """Return the BPF program for a processor; None for an unsupported processor."""
    if machine not in NOTIFIED:
        return None
    numbers, restricted = NOTIFIED[machine], RESTRICTED[machine]
    bodies = {number: [_result(NOTIFY)] for number in numbers.values()}
    bodies |= {number: [_error(errno.EOPNOTSUPP)] for number in REFUSED[machine].values()}
    for name, index in FLAGS_ARGUMENT.items():
        if name in numbers:
            bodies[numbers[name]] = _open(index, DIRECTORY_FLAG[machine])
    bodies |= {
        numbers["clone"]: [
            _argument(0),
            instruction(ANY_OF, CLONE_THREAD, 0, 1),
            _result(ALLOW),
            instruction(ANY_OF, CLONE_PARENT, 0, 1),
            _error(errno.EPERM),
            _result(NOTIFY),
        ],
        numbers["unlinkat"]: [
            _argument(2),
            instruction(ANY_OF, REMOVE_DIRECTORY, 0, 1),
            _result(ALLOW),
            _result(NOTIFY),
        ],
        numbers["socket"]: _socket(),
        restricted["prctl"]: [
            _argument(0),
            instruction(EQUAL, DUMPABLE, 0, 1),
            _error(0),
            instruction(EQUAL, SUBREAPER, 0, 1),
            _error(errno.EINVAL),
            _result(ALLOW),
        ],
        restricted["fcntl"]: _unless_equal(1, SET_LEASE),
        restricted["sendto"]: _unless_any(3, FAST_OPEN),
        restricted["sendmsg"]: _unless_any(2, FAST_OPEN),
        restricted["sendmmsg"]: _unless_any(3, FAST_OPEN),
    }
    program = [instruction(LOAD, MACHINE), instruction(EQUAL, ARCHITECTURE[machine], 1, 0), _error(errno.EPERM)]
    program += [instruction(LOAD, NUMBER), instruction(AT_LEAST, FOREIGN, 0, 1), _error(errno.EPERM)]
    for number, body in bodies.items():
        program += [instruction(EQUAL, number, 0, len(body)), *body]
    return b"".join([*program, _result(ALLOW)])


def _open(index: int, directory: int) -> list[bytes]:
    """Notify, unless the flags at `index` ask for a handle to a path or for a directory."""
    return [
        _argument(index),
        instruction(ANY_OF, PATH_ONLY, 3, 0),
        instruction(MASK, directory | TEMPORARY_FILE),
        instruction(EQUAL, directory, 1, 0),
        _result(NOTIFY),
        _result(ALLOW),
    ]


def _socket() -> list[bytes]:
    """Notify of sockets that receive without a connection; refuse netlink messages between users."""
    return [
        _argument(0),
        instruction(EQUAL, NETLINK, 0, 4),
        _argument(2),
        instruction(EQUAL, USER_MESSAGES, 0, 1),
        _error(errno.EPERM),
        _result(ALLOW),
        _argument(1),
        instruction(MASK, TYPE_MASK),
        instruction(EQUAL, STREAM, 2, 0),
        instruction(EQUAL, SEQUENTIAL, 1, 0),
        _result(NOTIFY),
        _result(ALLOW),
    ]


def _unless_equal(index: int, value: int) -> list[bytes]:
    """Refuse if an argument has a value."""
    return [_argument(index), instruction(EQUAL, value, 0, 1), _error(errno.EINVAL), _result(ALLOW)]


def _unless_any(index: int, bits: int) -> list[bytes]:
    """Refuse if an argument has one of the bits."""
    return [_argument(index), instruction(ANY_OF, bits, 0, 1), _error(errno.EOPNOTSUPP), _result(ALLOW)]


def _argument(index: int) -> bytes:
    return instruction(LOAD, FIRST_ARGUMENT + 8 * index)


def _result(value: int) -> bytes:
    return instruction(RETURN, value)


def _error(number: int) -> bytes:
    return instruction(RETURN, REFUSE | number)
