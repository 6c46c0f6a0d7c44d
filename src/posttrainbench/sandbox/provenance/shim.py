"""The first program in a recorded sandbox: `shim.py SOCKET SECCOMP FILTER COMMAND...`; standard library only.

It installs FILTER (hexadecimal) by the system call number SECCOMP for itself and all descendants, sends the listener to
the recorder through the inherited descriptor SOCKET, and becomes the command. If the kernel refuses, it sends the
reason instead and the command runs unrecorded, which the record states.
"""

import array
import ctypes
import os
import socket
import struct
import sys

NEW_LISTENER, WAIT_KILLABLE = 8, 32
NO_NEW_PRIVILEGES, FILTER_MODE = 38, 1


def main() -> None:
    """Install the filter, hand the listener out and execute the command."""
    number, program, command = int(sys.argv[2]), bytes.fromhex(sys.argv[3]), sys.argv[4:]
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        listener, reason = install(number, program)
        if listener < 0:
            channel.sendall(b"-" + reason.encode())
        else:
            rights = array.array("i", [listener]).tobytes()
            channel.sendmsg([reason.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            os.close(listener)
        channel.recv(1)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def install(number: int, program: bytes) -> tuple[int, str]:
    """Install the filter. Return its listener and `k` or `i` (see `WAIT_KILLABLE`), or -1 and the kernel's reason."""
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = ctypes.create_string_buffer(program, len(program))
    sock_fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for flags, mode in ((NEW_LISTENER | WAIT_KILLABLE, "k"), (NEW_LISTENER, "i")):  # the former since Linux 5.19
        listener = libc.syscall(number, FILTER_MODE, flags, sock_fprog)
        if listener >= 0:
            return listener, mode
    return -1, os.strerror(ctypes.get_errno())


if __name__ == "__main__":
    main()
