"""A seccomp filter (classic BPF) for system calls that no process in a sandbox needs.

Bubblewrap has no filter of its own, and those of container engines differ between versions. Covers: keyrings, which
belong to the user and not to the namespace; socket families that network namespaces do not confine, such as AF_VSOCK,
which reaches the host of a virtual machine; new namespaces, which expose more of the kernel; set-user-ID and
set-group-ID bits of files, which would lend the owner's rights to every user of the host; and system calls with a long
history of vulnerabilities. Does not cover: processors other than those in `CALLS`.
"""

import platform
import struct

ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CALLS = {
    "x86_64": {
        "init_module": 175,
        "kexec_load": 246,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "perf_event_open": 298,
        "open_by_handle_at": 304,
        "finit_module": 313,
        "kexec_file_load": 320,
        "bpf": 321,
        "userfaultfd": 323,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
    },
    "aarch64": {
        "init_module": 105,
        "kexec_load": 104,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "perf_event_open": 241,
        "open_by_handle_at": 265,
        "finit_module": 273,
        "kexec_file_load": 294,
        "bpf": 280,
        "userfaultfd": 282,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
    },
}
"""Numbers of the refused system calls."""
UNSHARE, CLONE = {"x86_64": 272, "aarch64": 97}, {"x86_64": 56, "aarch64": 220}
NAMESPACES = 0x7E020000
"""Flags of `clone` and `unshare` for all kinds of namespaces."""
CLONE3 = 435
"""Answered with ENOSYS: a filter cannot read its flags, which are in memory; the C library falls back to `clone`."""
SOCKET = {"x86_64": 41, "aarch64": 198}
FAMILIES = (1, 2, 10, 16)
"""Allowed socket families: Unix, IPv4, IPv6, netlink."""
CHANGES = {
    "x86_64": {"chmod": (90, 1), "fchmod": (91, 1), "fchmodat": (268, 2), "fchmodat2": (452, 2)},
    "aarch64": {"fchmod": (52, 1), "fchmodat": (53, 2), "fchmodat2": (452, 2)},
}
"""Calls that change a file's mode: number and index of the argument.

S_ISGID alone is ignored without an error, as the kernel does for a group that the caller is not in: a copy of a
directory that has the bit must not fail.
"""
MODES = {
    "x86_64": {"creat": (85, 1), "mknod": (133, 1), "mknodat": (259, 2)},
    "aarch64": {"mknodat": (33, 2)},
}
"""Calls that create a file with a mode: number and index of the argument. `mkdir` ignores the refused bits."""
OPENS = {"x86_64": {"open": (2, 1), "openat": (257, 2)}, "aarch64": {"openat": (56, 2)}}
"""Calls that set a file's mode if they create it: number and index of the flags, which the mode follows."""
CREATES = 0x400040
"""Flags O_CREAT and O_TMPFILE, without which the argument for the mode is undefined."""
SET_UID, SET_GID = 0o4000, 0o2000
"""S_ISUID and S_ISGID."""
SET_ID = SET_UID | SET_GID
OPENAT2 = 437
"""Answered with ENOSYS, like `clone3`; programs fall back to `openat`."""
FOREIGN = 0x40000000
"""First number of the x32 interface, which would bypass the filter."""
LOAD, EQUAL, AT_LEAST, ANY_OF, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16
"""Offsets in the kernel's `struct seccomp_data`; for the argument, of its lower half."""
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97


def seccomp_filter(machine: str = platform.machine()) -> bytes | None:
    """Return the BPF program for a processor in bubblewrap's format; None for an unsupported processor."""
    if machine not in CALLS:
        return None
    allow, refuse = instruction(RETURN, ALLOW), instruction(RETURN, REFUSE | EPERM)
    namespaces = [instruction(LOAD, FIRST_ARGUMENT), instruction(ANY_OF, NAMESPACES, 0, 1), refuse, allow]
    families = [instruction(EQUAL, family, len(FAMILIES) - index, 0) for index, family in enumerate(FAMILIES)]
    bad_family = instruction(RETURN, REFUSE | EAFNOSUPPORT)
    bodies = {number: [refuse] for number in CALLS[machine].values()} | {
        UNSHARE[machine]: namespaces,
        CLONE[machine]: namespaces,
        CLONE3: [instruction(RETURN, REFUSE | ENOSYS)],
        OPENAT2: [instruction(RETURN, REFUSE | ENOSYS)],
        SOCKET[machine]: [instruction(LOAD, FIRST_ARGUMENT), *families, bad_family, allow],
    }
    ignore = instruction(RETURN, REFUSE)  # error number 0
    for number, index in CHANGES[machine].values():
        bodies[number] = [_argument(index), instruction(ANY_OF, SET_UID, 0, 1), refuse]
        bodies[number] += [instruction(ANY_OF, SET_GID, 0, 1), ignore, allow]
    for number, index in MODES[machine].values():
        bodies[number] = [_argument(index), instruction(ANY_OF, SET_ID, 0, 1), refuse, allow]
    for number, index in OPENS[machine].values():
        creates = [_argument(index), instruction(ANY_OF, CREATES, 0, 3)]
        bodies[number] = [*creates, _argument(index + 1), instruction(ANY_OF, SET_ID, 0, 1), refuse, allow]
    program = [instruction(LOAD, MACHINE), instruction(EQUAL, ARCHITECTURE[machine], 1, 0), refuse]
    program += [instruction(LOAD, NUMBER), instruction(AT_LEAST, FOREIGN, 0, 1), refuse]
    for number, body in bodies.items():
        program += [instruction(EQUAL, number, 0, len(body)), *body]
    return b"".join([*program, allow])


def _argument(index: int) -> bytes:
    """Return the instruction that loads the lower half of an argument."""
    return instruction(LOAD, FIRST_ARGUMENT + 8 * index)


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return one instruction; jump offsets are relative to the next instruction."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
