"""Numbers of the system calls that the recorder handles, per processor."""

NOTIFIED = {
    "x86_64": {
        "open": 2,
        "creat": 85,
        "openat": 257,
        "openat2": 437,
        "execve": 59,
        "execveat": 322,
        "fork": 57,
        "vfork": 58,
        "clone": 56,
        "exit_group": 231,
        "rename": 82,
        "renameat": 264,
        "renameat2": 316,
        "link": 86,
        "linkat": 265,
        "symlink": 88,
        "symlinkat": 266,
        "unlink": 87,
        "unlinkat": 263,
        "socket": 41,
        "connect": 42,
        "shmat": 30,
        "ptrace": 101,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "pidfd_getfd": 438,
    },
    "aarch64": {
        "openat": 56,
        "openat2": 437,
        "execve": 221,
        "execveat": 281,
        "clone": 220,
        "exit_group": 94,
        "renameat": 38,
        "renameat2": 276,
        "linkat": 37,
        "symlinkat": 36,
        "unlinkat": 35,
        "socket": 198,
        "connect": 203,
        "shmat": 196,
        "ptrace": 117,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "pidfd_getfd": 438,
    },
}
"""Calls that wait for the recorder."""
REFUSED = {
    "x86_64": {"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463, "mq_open": 240, "msgget": 68},
    "aarch64": {"setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "setxattrat": 463, "mq_open": 180, "msgget": 186},
}
"""Rarely used calls that can carry data without opening a file. They fail with EOPNOTSUPP, as on some file systems."""
RESTRICTED = {
    "x86_64": {"prctl": 157, "fcntl": 72, "sendto": 44, "sendmsg": 46, "sendmmsg": 307},
    "aarch64": {"prctl": 167, "fcntl": 25, "sendto": 206, "sendmsg": 211, "sendmmsg": 269},
}
"""Calls of which one option is refused."""
SECCOMP = {"x86_64": 317, "aarch64": 277}
