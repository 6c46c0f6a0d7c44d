"""Settings of the shipped recipes, on the host and in the sandbox."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.agents import recipe
from posttrainbench.agents.recipe import RECIPES, Recipe, check_settings
from posttrainbench.agents.recipes.recipe_settings import SETTINGS, parser
from posttrainbench.errors import InputError
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox.process import Process


def test_every_shipped_recipe_is_declared() -> None:
    scripts = {entry.settings["script"] for entry in catalog.agents().values() if entry.settings.get("script")}
    assert scripts == set(SETTINGS)
    for script in scripts:
        source = (RECIPES / f"{script}.py").read_text()
        assert re.findall(r'parser\("(\w+)"\)', source) == ([script] if SETTINGS[script] else [])


@pytest.mark.parametrize(
    ("text", "valid"),
    [("steps=7", True), ("steps=7.5", False), ("steps=-7", False), ("learning_rate=0.0001", True), ("lr=1", False)],
)
@pytest.mark.parametrize("script", [name for name, settings in SETTINGS.items() if settings])
def test_host_and_recipe_accept_the_same(script: str, text: str, valid: bool) -> None:
    key, _, value = text.partition("=")
    argv = [f"--{key.replace('_', '-')}", value]
    if valid:
        check_settings(AgentSpec(name="x", scaffold="recipe", settings={"script": script, key: value}))
        assert str(getattr(parser(script).parse_args(argv), key)) in (value, str(float(value)))
        return
    with pytest.raises(InputError):
        check_settings(AgentSpec(name="x", scaffold="recipe", settings={"script": script, key: value}))
    with pytest.raises(SystemExit):
        parser(script).parse_args(argv)


@pytest.mark.parametrize(("text", "valid"), [("lora", True), ("full", True), ("qlora", False), ("", False)])
def test_tuning_is_an_adapter_or_all_weights(text: str, valid: bool) -> None:
    spec = AgentSpec(name="x", scaffold="recipe", settings={"script": "sft_trl", "tuning": text})
    if valid:
        check_settings(spec)
        assert parser("sft_trl").parse_args(["--tuning", text]).tuning == text
    else:
        with pytest.raises(InputError, match="tuning must be `lora` or `full`"):
            check_settings(spec)


def test_recipe_names_the_extra_of_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = AgentSpec(name="x", scaffold="recipe", settings={"script": "sft_trl"})
    monkeypatch.setitem(recipe.PACKAGES, "sft_trl", ("json",))
    assert Recipe().launch(spec, Process()).argv[1].endswith("sft_trl.py")
    assert [need.name for need in Recipe().requirements(spec)][1] == "json in the sandbox"
    monkeypatch.setitem(recipe.PACKAGES, "sft_trl", ("json", "no_such_package"))
    with pytest.raises(
        InputError, match=r"no_such_package is not installed; run `pip install 'posttrainbench\[training\]'"
    ):
        Recipe().launch(spec, Process())
    monkeypatch.setattr(Process, "python", "python3")  # of an image, which has packages of its own
    assert Recipe().launch(spec, Process()).argv[0] == "python3"


def test_settings_of_a_users_own_script_are_passed_on() -> None:
    check_settings(AgentSpec(name="x", scaffold="recipe", settings={"script": "mine.py", "anything": "goes"}))


def test_recipes_parse_without_this_package() -> None:
    """As in a sandbox whose image lacks it."""
    code = "import recipe_settings as r; print(r.parser('sft').parse_args(['--steps', '3']).steps)"
    said = subprocess.run([sys.executable, "-S", "-c", code], cwd=Path(RECIPES), capture_output=True, text=True)
    assert said.stdout == "3\n", said.stderr


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = (\n", "script.py, line 1 is not valid Python"),
        ("\0", "not valid Python"),
        ("(" * 100_000, "not valid Python"),
        ("print('\\d')\nraise SystemExit(3)\n", ""),
    ],
    ids=["unclosed", "NUL", "deep", "fine"],
)
def test_invalid_python_is_found_before_the_run(source: str, says: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(source)
    spec = AgentSpec(name="mine", scaffold="recipe", settings={"script": str(script)})
    if says:
        with pytest.raises(InputError, match=says):
            Recipe().launch(spec, Process())
    else:
        assert Recipe().launch(spec, Process()).argv[1].endswith("script.py")
