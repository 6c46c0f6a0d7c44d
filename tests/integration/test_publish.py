"""`ptb publish` against a server with the Hub's protocol: what is uploaded, what is not, and that no key leaks."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hub_server import Hub, hub_server
from huggingface_hub import constants
from typer.testing import CliRunner

from posttrainbench.cli.app import app
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import sha256_bytes

import sys  # isort: skip

sys.path.append(str(Path(__file__).parents[1] / "unit" / "report"))

from bundle_runs import PROOF, build_run

TOKEN = "hf_" + "s3cr3t" * 6


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        server.writer = TOKEN
        yield server


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    honest = build_run(tmp_path / "exp" / "one").root
    (honest / "workspace" / "notes.txt").write_text(f"my token is {TOKEN}\n")
    build_run(tmp_path / "exp" / "two", seed=1, findings=(PROOF,))
    return tmp_path / "exp"


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["publish", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_without_upload_nothing_reaches_the_hub(hub: Hub, experiment: Path, tmp_path: Path) -> None:
    output = invoke(str(experiment), "--repo", "me/runs", "--out", str(tmp_path / "out"))
    assert hub.repositories == {}
    assert "nothing was uploaded" in output
    for name in ("README.md", "bundles/exp.tar.zst", "leaderboard.csv", "leaderboard.json", "runs.csv"):
        assert f"{name}: " in output
        assert sha256_bytes((tmp_path / "out" / name).read_bytes()) in output
    card = (tmp_path / "out" / "README.md").read_text()
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert [one["data_files"] for one in metadata["configs"]] == ["runs.csv", "leaderboard.csv"]
    assert "1 reset to the base model's score" in card


def test_only_a_run_with_its_own_score_has_a_model_card(hub: Hub, experiment: Path, tmp_path: Path) -> None:
    report = json.loads(invoke(str(experiment), "--repo", "me/runs", "--out", str(tmp_path / "out"), "--json"))
    assert report["model_cards"] == ["id-0"]
    assert "base fallback" in report["without_card"]["id-1"]
    [card] = (tmp_path / "out" / "model-cards").iterdir()
    [entry] = yaml.safe_load(card.read_text().split("---\n")[1])["model-index"]
    assert entry["results"][0]["metrics"][0]["value"] == 0.4
    assert entry["results"][0]["dataset"]["name"] == "micro-math"


def test_a_refused_publication_leaves_no_directory(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = ["publish", str(tmp_path / "empty"), "--repo", "me/runs", "--out", str(tmp_path / "out")]
    assert isinstance(CliRunner().invoke(app, words).exception, InputError)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("public", [False, True])
def test_upload(hub: Hub, experiment: Path, tmp_path: Path, public: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    arguments = [str(experiment), "--repo", "me/runs", "--upload", *(["--public"] if public else [])]
    output = invoke(*arguments)
    files = hub.repositories["dataset", "me/runs"].files
    assert set(files) == {"README.md", "bundles/exp.tar.zst", "leaderboard.csv", "leaderboard.json", "runs.csv"}
    assert ("me/runs" in hub.private) is not public
    assert "/commit/" in output
    for text in (output, caplog.text, *(data.decode(errors="replace") for data in files.values())):
        assert TOKEN not in text
    (tmp_path / "b.tar.zst").write_bytes(files["bundles/exp.tar.zst"])
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "b.tar.zst")]).exit_code == 0
    invoke(*arguments)  # an existing data set gets another commit


def test_a_refusal_and_a_failure_are_told_apart_and_contain_no_key(
    hub: Hub, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [str(experiment), "--repo", "me/runs", "--upload"]
    hub.writer = "another"
    with pytest.raises(InputError, match="denied access") as refused:
        invoke(*arguments)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InfrastructureError, match="could not be uploaded") as failed:
        invoke(*arguments)
    assert TOKEN not in str(refused.value) + str(failed.value)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="HF_TOKEN is not set"):
        invoke(*arguments)


@pytest.mark.parametrize("name", ["runs", "a/b/c", "../x", "me/", "me/x y", "https://huggingface.co/me/x"])
def test_a_wrong_name_is_refused(experiment: Path, name: str) -> None:
    with pytest.raises(InputError, match="OWNER/NAME"):
        invoke(str(experiment), "--repo", name)
