"""Limits, GPUs and sandboxes as a user writes them."""

import pytest

from posttrainbench.cli.options import choose_sandbox, parse_gpus, parse_limit
from posttrainbench.errors import InputError
from posttrainbench.records.units import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64G", 2**36),
        ("1.5T", 3 * 2**39),
        ("500M", 500 * 2**20),
        ("1k", 1024),
        ("7", 7),
        ("2GiB", 2**31),
        ("2gb", 2**31),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "G", "-1G", "1X", "1 G", "1e3", "0.1", "nan", "1G5M"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InputError, match="is not a valid size; use a value such as 500M"):
        parse_size(text)


@pytest.mark.parametrize("option", ["memory", "disk"])
def test_limits_of_agents(option: str) -> None:
    assert parse_limit(option, None) is None
    assert parse_limit(option, "64M") == 2**26
    for text in ("1K", "7", "63M"):
        with pytest.raises(InputError, match=f"No agent can work with --{option} {text}; use at least 64M"):
            parse_limit(option, text)


@pytest.mark.parametrize(("text", "found"), [("0,1", [0, 1]), ("3", [3]), ("2,0,2", [0, 2]), ("none", [])])
def test_gpus(text: str, found: list[int]) -> None:
    assert parse_gpus(text) == found


@pytest.mark.parametrize("text", ["", "all", "-1", "0,", "0 1", "0-3", "1.0"])
def test_what_names_no_gpus(text: str) -> None:
    with pytest.raises(InputError, match="is not a valid list of GPUs"):
        parse_gpus(text)


def test_running_without_a_sandbox_requires_the_option() -> None:
    assert choose_sandbox(None, insecure=False) == "bubblewrap"
    assert choose_sandbox("podman", insecure=False) == "podman"
    assert choose_sandbox(None, insecure=True) == choose_sandbox("process", insecure=True) == "process"
    with pytest.raises(InputError, match="add --insecure-no-sandbox"):
        choose_sandbox("process", insecure=False)
    with pytest.raises(InputError, match="leave it out to run in `podman`"):
        choose_sandbox("podman", insecure=True)
