"""Every cause that is raised anywhere has a row in the one table of failures."""

import ast
import errno
from pathlib import Path

import pytest

import posttrainbench
from posttrainbench.errors import InfrastructureError
from posttrainbench.run.errors import POLICIES, cause_of, is_disk_full

SOURCES = Path(posttrainbench.__file__).parent
RAISED = {"InfrastructureError", "Failure"}
STARTED = {"run_child"}
"""Functions that raise with the cause that they are given."""
PASSED_ON = {"end.cause", "self.cause", "cause"}
"""Causes that come from elsewhere: a note of another process, or the caller of a function in `STARTED`."""


def raised() -> list[tuple[str, ast.expr]]:
    """Return (location, cause) of every such call in the sources."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED | STARTED:
                first = node.args[:1] if node.func.id in RAISED else []
                causes = [*first, *(keyword.value for keyword in node.keywords if keyword.arg == "cause")]
                where = f"{path.relative_to(SOURCES)}:{node.lineno}"
                found += [(where, cause) for cause in causes if ast.unparse(cause) not in PASSED_ON]
    return found


def test_some_causes_are_raised() -> None:
    assert len(raised()) > 8


@pytest.mark.parametrize(("where", "cause"), raised(), ids=[where for where, _ in raised()])
def test_cause_is_in_the_table(where: str, cause: ast.expr) -> None:
    assert isinstance(cause, ast.Constant), "a cause is written where it is raised"
    assert cause.value in POLICIES


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (InfrastructureError("engine_failed", ""), "engine_failed"),
        (MemoryError(), "out_of_memory"),
        (OSError(errno.ENOMEM, ""), "out_of_memory"),
        (OSError(errno.EACCES, ""), "unexpected"),
        (ZeroDivisionError(), "unexpected"),
    ],
    ids=repr,
)
def test_cause_of_an_exception(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause
    assert cause in POLICIES


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, ""), True),
        (OSError(errno.EDQUOT, ""), True),
        (OSError(errno.EIO, ""), False),
        (ValueError(), False),
    ],
    ids=repr,
)
def test_full_disk(error: Exception, full: bool) -> None:
    assert is_disk_full(error) == full


def test_only_failures_that_may_be_temporary_are_retried_at_once() -> None:
    """A provider's failure is not: the agent's session has been resumed with pauses, and another start costs money."""
    assert {cause: policy.retries for cause, policy in POLICIES.items() if policy.retries} == dict.fromkeys(
        [
            "sandbox_failed",
            "recorder_failed",
            "engine_failed",
            "egress_failed",
            "gateway_failed",
            "grader_failed",
            "service_failed",
        ],
        1,
    )


def test_only_what_a_submission_does_costs_a_score() -> None:
    assert {cause for cause, policy in POLICIES.items() if policy.effect == "fall_back"} == {
        *("submission_missing", "submission_refused", "submission_broken")
    }
    assert all(policy.remedy.endswith(".") for policy in POLICIES.values())
