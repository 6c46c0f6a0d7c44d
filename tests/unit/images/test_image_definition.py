"""Image definitions: complete, consistent with the pins, and valid for the builders."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spython.main.parse.parsers import get_parser

from posttrainbench.agents.claude_code import ClaudeCode
from posttrainbench.images.definition import apptainer_definition, containerfile, labels
from posttrainbench.images.pins import Variant, VariantName, load_variant

HADOLINT = Path(sys.executable).with_name("hadolint")
VARIANTS: list[VariantName] = ["full", "small"]
REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("name", VARIANTS)
def test_containerfile_passes_hadolint(name: VariantName) -> None:
    """Except DL3008: the distribution's packages are not pinned."""
    text = containerfile(load_variant(name), name)
    command = [HADOLINT, "--ignore", "DL3008", "--no-color", "-"]
    said = subprocess.run(command, input=text, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "")


def test_hadolint_would_find_a_fault() -> None:
    text = containerfile(load_variant("small"), "small").replace("FROM ", "FRM ")
    assert subprocess.run([HADOLINT, "-"], input=text, capture_output=True, text=True).returncode != 0


@pytest.mark.parametrize("name", VARIANTS)
def test_apptainer_definition_can_be_read(name: VariantName, tmp_path: Path) -> None:
    variant = load_variant(name)
    (tmp_path / "image.def").write_text(apptainer_definition(variant, name))
    recipe: Any = get_parser("singularity")(str(tmp_path / "image.def")).recipe["spython-base"]
    assert recipe.fromHeader == variant.base
    assert recipe.labels == [f"{key} {value}" for key, value in labels(variant, name).items()]
    script = "\n".join(recipe.install)
    assert script.startswith("set -eu\n")
    assert subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize("make", [containerfile, apptainer_definition])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_pin_is_in_both_definitions(make: Callable[[Variant, str], str], name: VariantName) -> None:
    variant = load_variant(name)
    words = set(make(variant, name).split())
    pins = [variant.python_packages(), *variant.separate.values()]
    for package, version in [pin for packages in pins for pin in packages.items()]:
        assert f"{package}=={version}" in words
    for program in variant.programs():
        assert f"{program.package}@{program.version}" in words
    assert set(variant.system) <= words


def test_versions_that_are_defined_elsewhere() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    local = [line.split(";")[0].strip() for line in project["optional-dependencies"]["local"]]
    packages = load_variant("full").python_packages()
    for name in ("torch", "inspect-ai"):
        assert f"{name}=={packages[name]}" in local
    assert ClaudeCode.program in load_variant("full").programs()


def test_pins_satisfy_the_requirements() -> None:
    """Training libraries must have the versions that evaluation uses."""
    from packaging.requirements import Requirement

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = {one.name: one for one in map(Requirement, project["optional-dependencies"]["local"])}
    for name in VARIANTS:
        for package, version in load_variant(name).python_packages().items():
            if package in wanted:
                assert wanted[package].specifier.contains(version), package


def test_vllm_has_a_separate_environment() -> None:
    variant = load_variant("full")
    assert "vllm" not in variant.python_packages()
    assert set(variant.separate) == {"vllm"}
    assert "/opt/vllm/bin/python" in containerfile(variant, "full")


def test_hash_of_the_pins_changes_with_a_pin() -> None:
    variant = load_variant("small")
    other = variant.model_copy(update={"packages": variant.packages | {"datasets": "5.1.0"}})
    assert labels(variant, "small") == labels(load_variant("small"), "small") != labels(other, "small")


def test_base_image_can_be_chosen() -> None:
    variant = load_variant("small")
    assert "\nFROM localhost/mine:1\n" in containerfile(variant, "small", "localhost/mine:1")
    assert "Bootstrap: docker\nFrom: mine:1\n" in apptainer_definition(variant, "small", "mine:1")
    assert "Bootstrap: localimage\nFrom: /images/mine.sif\n" in apptainer_definition(
        variant, "small", "/images/mine.sif"
    )


def test_show_prints_what_is_built(ptb_here: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    said = ptb_here("image", "show", "--variant", "small")
    assert (said.returncode, said.stdout) == (0, containerfile(load_variant("small"), "small"))
    said = ptb_here("image", "show", "--format", "apptainer", "--base", "mine:1")
    assert said.stdout == apptainer_definition(load_variant("full"), "full", "mine:1")


def test_missing_builder(
    ptb_here: Callable[..., "subprocess.CompletedProcess[str]"], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = ptb_here("image", "build", "--engine", "apptainer", "--tag", "agent.sif")
    assert (said.returncode, said.stderr) == (
        2,
        "ptb: `apptainer` is not installed; install it or choose another --engine.\n",
    )


@pytest.mark.parametrize(("engine", "file"), [("docker", "Containerfile"), ("apptainer", "image.def")])
def test_builders_command_line(
    engine: str,
    file: str,
    ptb_here: Callable[..., "subprocess.CompletedProcess[str]"],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A fake builder prints its arguments and exits with code 3."""
    (tmp_path / engine).write_text('#!/bin/sh\necho "$@" > "$(dirname "$0")/said"\nexit 3\n')
    (tmp_path / engine).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said = ptb_here("image", "build", "--engine", engine, "--tag", "T", "--", "--own", "x")
    assert said.returncode == 1
    assert said.stderr == f"ptb: {engine} could not build the image; it exited with code 3.\n"
    words = (tmp_path / "said").read_text().split()
    assert words[:3] == ["build", "--own", "x"]
    assert "T" in words
    assert any(word.endswith(f"/{file}") for word in words)
