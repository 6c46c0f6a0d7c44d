"""`ptb data pull` against a server with the Hub's protocol: results, failures and messages."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import Hub, Repository, hub_server
from huggingface_hub import constants, file_download

import data_package
from data_package import COMMIT, MODEL_COMMIT, TEST, TRAIN
from posttrainbench import catalog
from posttrainbench.benchmarks.data import benchmark_folder, read_provenance, stored_items
from posttrainbench.catalog import loading
from posttrainbench.hub.models import model_record
from posttrainbench.hub.store import store_root
from support import assert_refused

pytest.importorskip("pyarrow")

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]
TOKEN = "hf_secret"


def at(url: str, patch: pytest.MonkeyPatch) -> None:
    """Apply `HF_ENDPOINT` as the Hub's client does when it is imported."""
    patch.setattr(constants, "ENDPOINT", url)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the package with an empty store and an empty Hub cache."""
    for name in ("HF_TOKEN", loading.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PTB_DATA", str(tmp_path / "store"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
    folder = data_package.install(tmp_path / "site")
    monkeypatch.syspath_prepend(folder)
    with data_package.fresh_catalog():
        yield folder


@pytest.fixture
def hub(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The server with all repositories of the package; `org/tiny-data` is open."""
    with hub_server() as server:
        server.repositories = {
            ("dataset", "org/tiny-data"): Repository(COMMIT, data_package.published_files()),
            **{
                ("model", f"org/{name}"): Repository(MODEL_COMMIT, data_package.model_files(name))
                for name in ("tiny-base", "tiny-it")
            },
        }
        at(server.url, monkeypatch)
        yield server


def data_set(hub: Hub) -> Repository:
    return hub.repositories["dataset", "org/tiny-data"]


def assert_failed(said: "subprocess.CompletedProcess[str]", *mentions: str) -> None:
    """Assert that a command failed with exit code 1 and a one-line message with all `mentions`."""
    assert said.returncode == 1, said.stderr
    assert said.stderr.startswith("ptb: ")
    assert said.stderr.count("\n") == 1
    for mention in mentions:
        assert mention in said.stderr


# ---------------------------------------------------------------------------------------------------------- benchmarks


def test_pulled_data_is_the_published_data(hub: Hub, ptb_here: Ptb) -> None:
    said = ptb_here("data", "pull", "tiny")
    assert (said.returncode, said.stdout, said.stderr) == (0, "tiny: 5 train items, 4 test items\n", "")
    assert [item.question for item in stored_items("tiny", "train")] == [row["question"] for row in TRAIN]
    assert [item.target["number"] for item in stored_items("tiny", "test")] == [int(row["answer"]) for row in TEST]
    provenance = read_provenance("tiny")
    assert provenance is not None
    test = provenance.splits["test"]
    assert (test.repository, test.revision, test.items) == ("org/tiny-data", COMMIT, 4)
    assert list(test.files) == ["test-1.jsonl.gz", "test-2.csv"]
    assert sorted(path.name for path in benchmark_folder("tiny").iterdir()) == [
        *("provenance.json", "test.jsonl", "train.jsonl")
    ]


def test_everything_works_offline_afterwards(hub: Hub, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    ptb_here("data", "pull", "tiny-suite", "--weights")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.down = True
    assert len(stored_items("tiny", "test")) == 4
    assert (catalog.models()["tiny-base"].directory / "model.safetensors").is_file()
    assert catalog.chat_template(catalog.models()["tiny-base"]) == "{{ messages }}"
    assert ptb_here("data", "pull", "tiny").stdout == "tiny: 5 train items, 4 test items, already here\n"
    assert ptb_here("data", "verify", "tiny-suite").returncode == 0


def test_second_pull_downloads_only_the_other_split(hub: Hub, ptb_here: Ptb) -> None:
    ptb_here("data", "pull", "tiny")
    (benchmark_folder("tiny") / "train.jsonl").unlink()
    hub.served.clear()
    assert ptb_here("data", "pull", "tiny").returncode == 0
    assert len(stored_items("tiny", "train")) == 5
    assert not hub.served, "the files themselves are still in the Hub's cache"


@pytest.mark.parametrize(
    ("damage", "text"),
    [("test.jsonl", "[]"), ("provenance.json", "{"), ("provenance.json", '{"benchmark": "tiny"}')],
)
def test_pull_repairs_damaged_files(damage: str, text: str, hub: Hub, ptb_here: Ptb) -> None:
    ptb_here("data", "pull", "tiny")
    (benchmark_folder("tiny") / damage).write_text(text)
    assert ptb_here("data", "verify").returncode == 1
    assert ptb_here("data", "pull", "tiny").returncode == 0
    assert ptb_here("data", "verify").returncode == 0
    assert (len(stored_items("tiny", "train")), len(stored_items("tiny", "test"))) == (5, 4)


def test_damaged_file_is_refused_and_fetched_again(hub: Hub, ptb_here: Ptb) -> None:
    hub.damaged = {"test-1.jsonl.gz"}
    assert_failed(ptb_here("data", "pull", "tiny"), "test-1.jsonl.gz of org/tiny-data differs", "pull again")
    assert not benchmark_folder("tiny").exists()
    hub.damaged.clear()
    hub.served.clear()
    assert ptb_here("data", "pull", "tiny").returncode == 0
    assert "test-1.jsonl.gz" in {file for _, file, _ in hub.served}
    assert "data/train.parquet" not in {file for _, file, _ in hub.served}, "what was whole is kept"


def test_small_damaged_file_is_refused_too(hub: Hub, ptb_here: Ptb) -> None:
    hub.damaged = {"test-2.csv"}
    assert_failed(ptb_here("data", "pull", "tiny"), "The hash of test-2.csv of org/tiny-data differs")
    assert not benchmark_folder("tiny").exists()


@pytest.mark.parametrize("line", ["train_items: 6\n", "test_items: 3\n"])
def test_wrong_number_of_items(line: str, hub: Hub, package: Path, ptb_here: Ptb) -> None:
    facts = package / "tiny_package" / "entries" / "benchmarks" / "tiny.yaml"
    key = line.split(":")[0]
    facts.write_text("".join(line if row.startswith(key) else row for row in facts.read_text().splitlines(True)))
    loading.load_shelf.cache_clear()
    assert_refused(
        ptb_here("data", "pull", "tiny"), f"expected {line.split()[1]} {line.split('_')[0]} items of tiny, found"
    )
    assert not benchmark_folder("tiny").exists()


def test_items_unlike_the_catalogs(hub: Hub, package: Path, ptb_here: Ptb) -> None:
    data_package.install(package, facts=f"sha256: {{test: {'f' * 64}}}\n")
    loading.load_shelf.cache_clear()
    assert_refused(
        ptb_here("data", "pull", "tiny"), "The test items of tiny in test-1.jsonl.gz, test-2.csv differ from the"
    )
    assert not benchmark_folder("tiny").exists()


def test_file_outside_the_hub(hub: Hub, package: Path, ptb_here: Ptb) -> None:
    data = data_set(hub).files.pop("test-2.csv")
    hub.repositories["model", "a/b"] = Repository("main", {"test-2.csv": data})
    address = f"{hub.url}/a/b/resolve/main/test-2.csv#sha256={hashlib.sha256(data).hexdigest()}"
    module = package / "tiny_package" / "__init__.py"
    module.write_text(module.read_text().replace("test-2.csv", address))
    said = ptb_here("data", "pull", "tiny")
    assert (said.returncode, said.stdout) == (0, "tiny: 5 train items, 4 test items\n")
    assert [item.target["number"] for item in stored_items("tiny", "test")] == [int(row["answer"]) for row in TEST]
    provenance = read_provenance("tiny")
    assert provenance is not None
    assert list(provenance.splits["test"].files) == ["test-1.jsonl.gz", address]


def test_environment_of_a_process_of_its_own(hub: Hub, package: Path, tmp_path: Path) -> None:
    """The environment variables `HF_ENDPOINT`, `HF_HOME` and `HF_HUB_OFFLINE` work as set by a user."""
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}

    def child(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "posttrainbench", "data", *words],
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
        )

    said = child("pull", "tiny-suite", "--weights")
    assert (said.returncode, said.stdout.splitlines()[0]) == (0, "tiny: 5 train items, 4 test items"), said.stderr
    served = len(hub.served)
    for words in (("verify", "tiny-suite"), ("pull", "tiny")):
        assert child(*words, HF_HUB_OFFLINE="1").returncode == 0
    assert len(hub.served) == served


# -------------------------------------------------------------------------------------------------------------- access


@pytest.mark.parametrize("status", [401, 403])
def test_gated_data(status: int, hub: Hub, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    data_set(hub).token, data_set(hub).refusal = TOKEN, (status, "GatedRepo")
    said = ptb_here("data", "pull", "tiny")
    assert_refused(said, "accept its conditions on https://huggingface.co/datasets/org/tiny-data, then set HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    said = ptb_here("data", "pull", "tiny")
    assert said.returncode == 0
    assert TOKEN not in said.stdout + said.stderr
    assert not any(TOKEN in file.read_text() for file in store_root().rglob("*.json*"))


def test_refused_token(hub: Hub, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    data_set(hub).token, data_set(hub).refusal = TOKEN, (403, "")
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert_refused(
        ptb_here("data", "pull", "tiny"), "The Hub denied access to https://huggingface.co/datasets/org/tiny-data"
    )


def test_absent_repository(hub: Hub, ptb_here: Ptb) -> None:
    hub.repositories.clear()
    assert_refused(ptb_here("data", "pull", "tiny"), "cannot find https://huggingface.co/datasets/org/tiny-data")


def test_absent_commit(hub: Hub, ptb_here: Ptb) -> None:
    data_set(hub).commit = "e" * 40
    assert_refused(ptb_here("data", "pull", "tiny"), f"org/tiny-data has no commit {COMMIT}")


def test_absent_file(hub: Hub, ptb_here: Ptb) -> None:
    del data_set(hub).files["test-2.csv"]
    assert_refused(ptb_here("data", "pull", "tiny"), f"org/tiny-data has no file test-2.csv at {COMMIT}")


def test_no_network(package: Path, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    at(f"http://127.0.0.1:{port}", monkeypatch)
    assert_failed(ptb_here("data", "pull", "tiny"), "Could not download org/tiny-data from the Hub; check the network")
    assert_failed(ptb_here("data", "pull", "tiny-it"), "Could not download org/tiny-it from the Hub; check the network")


def test_offline_mode(package: Path, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name in ("tiny", "tiny-it"):
        assert_refused(ptb_here("data", "pull", name), "HF_HUB_OFFLINE is set; unset it and pull")


def test_cache_or_store_that_cannot_be_written(
    hub: Hub, ptb_here: Ptb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PTB_DATA", str(tmp_path / "file" / "store"))
    for name in ("tiny", "tiny-it"):
        assert_refused(ptb_here("data", "pull", name), "store; set PTB_DATA to a writable directory")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    assert_refused(ptb_here("data", "pull", "tiny"), "Cannot write org/tiny-data to the Hub's cache; set HF_HOME")


# -------------------------------------------------------------------------------------------------------------- models


def test_model_without_weights(hub: Hub, ptb_here: Ptb) -> None:
    said = ptb_here("data", "pull", "tiny-it")
    assert said.stdout == "tiny-it: 4 files, without weights\n"
    assert sorted(path.name for path in catalog.models()["tiny-it"].tokenizer_directory.iterdir()) == [
        *("chat_template.jinja", "config.json", "tokenizer.json", "tokenizer_config.json")
    ]


def test_model_with_weights(hub: Hub, ptb_here: Ptb) -> None:
    ptb_here("data", "pull", "tiny-it")
    said = ptb_here("data", "pull", "tiny-it", "--weights")
    assert said.stdout == "tiny-it: 5 files\n"
    weights = catalog.models()["tiny-it"].directory / "model.safetensors"
    assert weights.read_bytes() == data_package.model_files("tiny-it")["model.safetensors"]
    assert not {"pytorch_model.bin", "onnx/model.json"} & {file for _, file, _ in hub.served}


def test_weights_stay_known_after_a_pull_without(hub: Hub, ptb_here: Ptb) -> None:
    ptb_here("data", "pull", "tiny-it", "--weights")
    ptb_here("data", "pull", "tiny-it")
    record = model_record("tiny-it")
    assert record is not None
    assert "model.safetensors" in record.files


def test_model_without_safetensors(hub: Hub, ptb_here: Ptb) -> None:
    del hub.repositories["model", "org/tiny-it"].files["model.safetensors"]
    assert_refused(ptb_here("data", "pull", "tiny-it", "--weights"), "has no weights in safetensors")


def test_broken_connection_is_resumed_where_it_broke(hub: Hub, ptb_here: Ptb) -> None:
    weights = bytes(range(256)) * 100_000
    assert len(weights) > 2 * constants.DOWNLOAD_CHUNK_SIZE
    hub.repositories["model", "org/tiny-it"].files["model.safetensors"] = weights
    hub.cut = {"model.safetensors": 2 * constants.DOWNLOAD_CHUNK_SIZE + 1000}
    said = ptb_here("data", "pull", "tiny-it", "--weights")
    assert (said.returncode, said.stderr) == (0, "")
    assert (catalog.models()["tiny-it"].directory / "model.safetensors").read_bytes() == weights
    ranges = [wanted for _, file, wanted in hub.served if file == "model.safetensors"]
    assert ranges == [None, f"bytes={2 * constants.DOWNLOAD_CHUNK_SIZE}-"]


def test_unpinned_model_stays_at_its_first_commit(hub: Hub, package: Path, ptb_here: Ptb) -> None:
    data_package.install(package, revision=None)
    loading.load_shelf.cache_clear()
    ptb_here("data", "pull", "tiny-it")
    first = catalog.models()["tiny-it"].tokenizer_directory
    assert first.name == MODEL_COMMIT
    hub.repositories["model", "org/tiny-it"].commit = "e" * 40
    assert catalog.models()["tiny-it"].tokenizer_directory == first
    assert_refused(ptb_here("data", "pull", "tiny-it", "--weights"), f"org/tiny-it has no commit {MODEL_COMMIT}")


# -------------------------------------------------------------------------------------------------------------- suites


def test_suite(hub: Hub, ptb_here: Ptb) -> None:
    said = ptb_here("data", "pull", "tiny-suite")
    assert said.stdout == "tiny: 5 train items, 4 test items\ntiny-it: 4 files, without weights\n"
    said = ptb_here("data", "pull", "tiny-suite", "--weights")
    assert said.stdout.splitlines()[1:] == ["tiny-base: 4 files", "tiny-it: 5 files"]


def test_refused_items_do_not_block_the_others(hub: Hub, ptb_here: Ptb) -> None:
    data_set(hub).token = TOKEN
    said = ptb_here("data", "pull", "tiny-suite")
    assert said.returncode == 2
    assert said.stdout == "tiny-it: 4 files, without weights\n"
    assert "org/tiny-data is gated" in said.stderr


@pytest.mark.parametrize(
    ("name", "mention"),
    [
        ("micro", "The suite micro needs no data from the Hub"),
        ("micro-math", "micro-math needs no external data"),
        ("micro-base", "micro-base needs no data from the Hub"),
        ("tiny-sute", "Unknown benchmark, model or suite `tiny-sute`; did you mean `tiny-suite`?"),
    ],
)
def test_nothing_to_pull(name: str, mention: str, hub: Hub, ptb_here: Ptb) -> None:
    assert_refused(ptb_here("data", "pull", name), mention)


# -------------------------------------------------------------------------------------------------------------- verify


def states(said: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    return {f"{one['name']}/{one['part']}": one["state"] for one in json.loads(said.stdout)}


def test_verify_finds_what_is_damaged_and_what_is_absent(hub: Hub, ptb_here: Ptb) -> None:
    ptb_here("data", "pull", "tiny-suite", "--weights")
    whole = ptb_here("data", "verify", "--json")
    assert whole.returncode == 0
    assert states(whole) == {
        "tiny/train": "whole", "tiny/test": "whole", "tiny-base/weights": "whole", "tiny-it/weights": "whole"
    }  # fmt: skip
    file = benchmark_folder("tiny") / "test.jsonl"
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"100", b"101"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    (benchmark_folder("tiny") / "train.jsonl").unlink()
    weights = catalog.models()["tiny-base"].directory / "model.safetensors"
    weights.resolve().write_bytes(b"x" + weights.read_bytes()[1:])
    said = ptb_here("data", "verify", "--json")
    assert said.returncode == 1
    assert states(said) == {
        "tiny/train": "absent", "tiny/test": "damaged", "tiny-base/weights": "damaged", "tiny-it/weights": "whole"
    }  # fmt: skip
    assert ptb_here("data", "verify", "tiny-it").returncode == 0
    table = ptb_here("data", "verify", "tiny-base")
    assert table.returncode == 1
    assert "damaged" in table.stdout


def test_verify_of_what_was_never_pulled(hub: Hub, ptb_here: Ptb) -> None:
    assert_refused(ptb_here("data", "verify"), "nothing has been pulled yet")
    said = ptb_here("data", "verify", "tiny-suite", "--json")
    assert said.returncode == 1
    assert states(said) == {"tiny/train": "absent", "tiny/test": "absent", "tiny-it/": "absent"}
    assert_refused(ptb_here("data", "verify", "micro-base"), "micro-base is not on the Hub")
    assert_refused(ptb_here("data", "verify", "zzz"), "Unknown benchmark, model or suite `zzz`")


def test_list(hub: Hub, ptb_here: Ptb) -> None:
    before = states(ptb_here("data", "list", "--json"))
    assert before["tiny/test"] == before["tiny-it/"] == "absent"
    ptb_here("data", "pull", "tiny-suite")
    after = states(ptb_here("data", "list", "--json"))
    assert (after["tiny/test"], after["tiny-it/tokenizer"], after["tiny-base/"]) == ("present", "present", "absent")
    assert "org/tiny-data" in ptb_here("data", "list").stdout


def test_without_a_network_one_sentence_names_all_that_is_missing(
    hub: Hub, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ptb_here("data", "pull", "tiny").returncode == 0
    tried = []

    def refuse(*words: object, **options: object) -> None:
        tried.append(words)
        raise ConnectionError("Connection refused")

    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_tree", refuse)
    said = ptb_here("data", "pull", "tiny-suite", "--weights")
    assert said.returncode == 1
    assert said.stdout == "tiny: 5 train items, 4 test items, already here\n"
    assert said.stderr == (
        "ptb: The Hub could not be reached (Connection refused); check the network and run `ptb data pull tiny-suite` "
        "again for tiny-base, tiny-it.\n"
    )
    assert len(tried) == 1
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    said = ptb_here("data", "pull", "tiny-suite", "--weights")
    assert said.returncode == 2
    assert said.stderr == (
        "ptb: tiny-base, tiny-it are not complete on this machine, and HF_HUB_OFFLINE is set; unset it and pull.\n"
    )
