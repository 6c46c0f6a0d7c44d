"""The filter that makes calls wait for the recorder, interpreted as by the kernel."""

import pytest

from posttrainbench.sandbox.provenance.filter import DIRECTORY_FLAG, notification_filter
from posttrainbench.sandbox.provenance.syscalls import NOTIFIED, REFUSED, RESTRICTED
from posttrainbench.sandbox.seccomp import ARCHITECTURE
from support import filter_result

ALLOW, NOTIFY, EPERM, EINVAL, EOPNOTSUPP = 0x7FFF0000, 0x7FC00000, 0x00050001, 0x00050016, 0x0005005F
MACHINES = sorted(NOTIFIED)
CONDITIONAL = {"open", "openat", "clone", "unlinkat", "socket"}


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Return the filter's result for a system call."""
    program = notification_filter(machine)
    assert program is not None
    return filter_result(program, ARCHITECTURE[machine] if architecture is None else architecture, number, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_wait_or_fail_or_pass(machine: str) -> None:
    numbers = NOTIFIED[machine]
    assert {verdict(machine, number) for name, number in numbers.items() if name not in CONDITIONAL} == {NOTIFY}
    assert {verdict(machine, number) for number in REFUSED[machine].values()} == {EOPNOTSUPP}
    special = {*numbers.values(), *REFUSED[machine].values(), *RESTRICTED[machine].values()}
    assert {verdict(machine, number) for number in range(600) if number not in special} == {ALLOW}


@pytest.mark.parametrize("machine", MACHINES)
def test_opens_that_give_no_content_pass(machine: str) -> None:
    openat, directory = NOTIFIED[machine]["openat"], DIRECTORY_FLAG[machine]
    assert verdict(machine, openat, 0, 0, 0) == NOTIFY
    assert verdict(machine, openat, 0, 0, 0o102) == NOTIFY
    assert verdict(machine, openat, 0, 0, 0o10000000) == ALLOW  # O_PATH
    assert verdict(machine, openat, 0, 0, directory) == ALLOW
    assert verdict(machine, openat, 0, 0, directory | 0o20000000 | 2) == NOTIFY  # O_TMPFILE


@pytest.mark.parametrize("machine", MACHINES)
def test_processes_wait_and_threads_do_not(machine: str) -> None:
    clone = NOTIFIED[machine]["clone"]
    assert verdict(machine, clone, 17) == NOTIFY
    assert verdict(machine, clone, 0x3D0F00) == ALLOW
    assert verdict(machine, clone, 0x8000 | 17) == EPERM  # another parent


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_without_connections_wait(machine: str) -> None:
    socket = NOTIFIED[machine]["socket"]
    stream, datagram, sequential, raw = 1, 2, 5, 3
    cloexec = 0o2000000
    assert verdict(machine, socket, 2, stream | cloexec) == ALLOW
    assert verdict(machine, socket, 1, sequential) == ALLOW
    assert verdict(machine, socket, 2, datagram | cloexec) == NOTIFY
    assert verdict(machine, socket, 16, raw, 0) == ALLOW
    assert verdict(machine, socket, 16, raw, 2) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_only_one_option_of_other_calls_is_refused(machine: str) -> None:
    numbers = RESTRICTED[machine]
    assert verdict(machine, numbers["prctl"], 36, 1) == EINVAL
    assert verdict(machine, numbers["prctl"], 15) == ALLOW
    assert verdict(machine, numbers["fcntl"], 3, 1024) == EINVAL
    assert verdict(machine, numbers["fcntl"], 3, 4) == ALLOW
    for name, flags in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        assert verdict(machine, numbers[name], *[0] * flags, 0x20000000) == EOPNOTSUPP
        assert verdict(machine, numbers[name], *[0] * flags, 0x4000) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_removing_a_directory_passes(machine: str) -> None:
    unlinkat = NOTIFIED[machine]["unlinkat"]
    assert verdict(machine, unlinkat, 0, 0, 0x200) == ALLOW
    assert verdict(machine, unlinkat, 0, 0, 0) == NOTIFY


def test_other_interfaces_to_the_kernel_are_refused() -> None:
    assert verdict("x86_64", 5, architecture=0x40000003) == EPERM
    assert verdict("x86_64", 0x40000000 | 257) == EPERM


def test_another_processor_has_no_filter() -> None:
    assert notification_filter("riscv64") is None
