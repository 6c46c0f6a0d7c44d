"""The seccomp filter, interpreted as by the kernel."""

import pytest

from posttrainbench.sandbox.seccomp import (
    ARCHITECTURE,
    CALLS,
    CHANGES,
    CLONE,
    CLONE3,
    MODES,
    OPENAT2,
    OPENS,
    SOCKET,
    UNSHARE,
    seccomp_filter,
)
from support import filter_result

ALLOW, IGNORED, EPERM, ENOSYS, EAFNOSUPPORT = 0x7FFF0000, 0x00050000, 0x00050001, 0x00050026, 0x00050061
MACHINES = sorted(CALLS)


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Return the filter's result for a system call."""
    program = seccomp_filter(machine)
    assert program is not None
    return filter_result(program, ARCHITECTURE[machine] if architecture is None else architecture, number, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_unneeded_system_calls_are_refused(machine: str) -> None:
    assert {verdict(machine, number) for number in CALLS[machine].values()} == {EPERM}


@pytest.mark.parametrize("machine", MACHINES)
def test_all_other_calls_are_allowed(machine: str) -> None:
    special = {*CALLS[machine].values(), SOCKET[machine], UNSHARE[machine], CLONE[machine], CLONE3, OPENAT2}
    assert {verdict(machine, number) for number in range(600) if number not in special} == {ALLOW}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("family", range(50))
def test_only_families_that_a_namespace_confines(machine: str, family: int) -> None:
    assert verdict(machine, SOCKET[machine], family) == (ALLOW if family in (1, 2, 10, 16) else EAFNOSUPPORT)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("flag", [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000])
def test_no_new_namespaces(machine: str, flag: int) -> None:
    assert verdict(machine, UNSHARE[machine], flag) == EPERM
    assert verdict(machine, CLONE[machine], flag | 17) == EPERM
    assert verdict(machine, CLONE3) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_processes_and_threads_can_be_made(machine: str) -> None:
    threads = 0x3D0F00
    assert verdict(machine, CLONE[machine], 17) == ALLOW
    assert verdict(machine, CLONE[machine], threads) == ALLOW


def test_other_interfaces_to_the_kernel_are_refused() -> None:
    i386 = 0x40000003
    assert verdict("x86_64", 1, architecture=i386) == EPERM
    assert verdict("x86_64", 0x40000000 | 1) == EPERM


def test_unknown_processor_has_no_filter() -> None:
    assert seccomp_filter("s390x") is None


SET_ID = [0o4755, 0o6000, 0o107777]
HARMLESS = [0o755, 0o1777, 0o100644, 0]


@pytest.mark.parametrize("machine", MACHINES)
def test_no_file_gets_the_rights_of_its_owner(machine: str) -> None:
    for number, index in [*CHANGES[machine].values(), *MODES[machine].values()]:
        before = [0xFFFFFFFF] * index
        assert {verdict(machine, number, *before, mode) for mode in SET_ID} == {EPERM}
        assert {verdict(machine, number, *before, mode, 0o6000) for mode in HARMLESS} == {ALLOW}
    assert verdict(machine, OPENAT2) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_the_groups_bit_is_ignored_in_a_change_and_refused_in_a_new_file(machine: str) -> None:
    for numbers, result in ((CHANGES, IGNORED), (MODES, EPERM)):
        for number, index in numbers[machine].values():
            assert verdict(machine, number, *[0xFFFFFFFF] * index, 0o2755) == result


@pytest.mark.parametrize("machine", MACHINES)
def test_mode_of_open_counts_only_if_a_file_is_created(machine: str) -> None:
    create, temporary, read = 0o101, 0o20200002, 0o2000000
    for number, index in OPENS[machine].values():
        before = [0xFFFFFFFF] * index
        assert {verdict(machine, number, *before, flags, 0o4755) for flags in (create, temporary)} == {EPERM}
        assert {verdict(machine, number, *before, flags, 0o644) for flags in (create, temporary)} == {ALLOW}
        assert verdict(machine, number, *before, read, 0xFFFFFFFF) == ALLOW
