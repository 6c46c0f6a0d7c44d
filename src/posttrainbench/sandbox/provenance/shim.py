"""The first program in a recorded sandbox: `shim.py SOCKET SECCOMP FILTER FIRST COMMAND...`; standard library only.

It installs FILTER (hexadecimal) by the system call number SECCOMP for itself and all descendants, sends the listener to
the recorder through SOCKET, an inherited descriptor or the path of a socket, and becomes the command. If the kernel
refuses, it sends the reason instead and the command runs unrecorded, which the record states. FIRST is a filter without
a listener (hexadecimal), or `-`; it is installed before the other.
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
    number, program, first, command = int(sys.argv[2]), bytes.fromhex(sys.argv[3]), sys.argv[4], sys.argv[5:]
    if first != "-" and install(number, bytes.fromhex(first), 0)[0] < 0:
        os.write(2, b"the kernel refused the seccomp filter\n")
        os._exit(127)
    channel = connect(sys.argv[1])
    if channel is not None:
        hand_out(channel, *install(number, program))
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def connect(address: str) -> "socket.socket | None":
    """Return the channel to the recorder; None if it cannot be reached, which the recorder notices."""
    if address.isdigit():
        return socket.socket(fileno=int(address))
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.connect(address)
    except OSError:
        channel.close()
        return None
    return channel


def hand_out(channel: socket.socket, listener: int, reason: str) -> None:
    """Send the listener, or the reason why there is none, wait until it has arrived, and close both."""
    with channel:
        if listener < 0:
            channel.sendall(b"-" + reason.encode())
        else:
            rights = array.array("i", [listener]).tobytes()
            channel.sendmsg([reason.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            os.close(listener)
        channel.recv(1)


def install(number: int, program: bytes, listen: int = NEW_LISTENER) -> tuple[int, str]:
    """Install a filter. Return its listener and `k` or `i` (see `WAIT_KILLABLE`), or -1 and the kernel's reason.

    Args:
        number: number of the system call.
        program: the filter.
        listen: flag of a filter with a listener; 0 for one without, for which 0 is returned.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = ctypes.create_string_buffer(program, len(program))
    sock_fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for flags, mode in ((listen | (WAIT_KILLABLE if listen else 0), "k"), (listen, "i")):  # the former since Linux 5.19
        listener = libc.syscall(number, FILTER_MODE, flags, sock_fprog)
        if listener >= 0:
            return listener, mode
    return -1, os.strerror(ctypes.get_errno())


if __name__ == "__main__":
    main()
