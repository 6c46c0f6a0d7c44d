"""Adjudications: git's identity, git's key, and nothing that a workspace's own git configuration could bring in."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from posttrainbench.audit.adjudication import (
    NAME,
    describe,
    identity,
    read_adjudications,
    sign,
    signature_state,
)
from posttrainbench.errors import InputError
from posttrainbench.files import append_json
from posttrainbench.records import Adjudication, Level

WORD = Adjudication(
    time="2026-01-01T00:00:00.000+00:00",
    run="run",
    finding="0123456789ab",
    decision="dismiss",
    why="The train split shares these rows.",
    name="Ada",
    email="ada@example.org",
    level=Level.USED,
    count=4,
)


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's git configuration, to be written to."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    return tmp_path / "gitconfig"


@pytest.fixture
def key(git: Path) -> Path:
    """A key that git signs with."""
    path = git.parent / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    git.write_text(git.read_text() + f"\tsigningkey = {path}.pub\n[gpg]\n\tformat = ssh\n")
    return path


def test_without_a_key_it_is_unsigned(git: Path) -> None:
    assert identity() == ("Ada", "ada@example.org")
    assert sign(WORD) == WORD
    assert signature_state(WORD) == "unsigned"
    assert "unsigned" in describe(WORD)


def test_it_is_signed_with_gits_ssh_key(key: Path) -> None:
    signed = sign(WORD)
    assert "SSH SIGNATURE" in signed.signature
    assert signature_state(signed) == "signed"
    assert ", signed: " in describe(signed)


@pytest.mark.parametrize("change", [{"why": "Another reason."}, {"decision": "confirm"}, {"finding": "f" * 12}])
def test_a_changed_one_is_an_error(key: Path, tmp_path: Path, change: dict[str, str]) -> None:
    signed = sign(WORD)
    append_json(tmp_path / NAME, signed)
    assert read_adjudications(tmp_path) == [signed]
    changed = signed.model_copy(update=change)
    assert signature_state(changed) == "changed"
    append_json(tmp_path / NAME, changed)
    with pytest.raises(InputError, match=r"Adjudication 2 .* was changed after it was signed"):
        read_adjudications(tmp_path)


@pytest.fixture
def openpgp(git: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An OpenPGP key, by the address, that git signs commits with."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    home = Path(tempfile.mkdtemp(prefix="gpg"))  # not below pytest's: the agent's socket needs a short path
    monkeypatch.setenv("GNUPGHOME", str(home))
    make = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "Ada <ada@example.org>", "ed25519"]
    subprocess.run(make, check=True, capture_output=True)
    git.write_text(git.read_text() + "[commit]\n\tgpgsign = true\n")
    yield
    subprocess.run(["gpgconf", "--kill", "all"], check=True)
    shutil.rmtree(home, ignore_errors=True)  # the agent removes its sockets at the same time


@pytest.mark.usefixtures("openpgp")
def test_it_is_signed_with_gits_openpgp_key() -> None:
    signed = sign(WORD)
    assert "PGP SIGNATURE" in signed.signature
    assert signature_state(signed) == "signed"
    assert signature_state(signed.model_copy(update={"why": "Another reason."})) == "changed"


def test_a_key_that_cannot_sign_is_an_error_and_not_unsigned(key: Path) -> None:
    key.unlink()
    with pytest.raises(InputError, match="cannot"):
        sign(WORD)


def test_a_user_without_identity_is_told_how_to_mend_it(git: Path) -> None:
    git.write_text("")
    with pytest.raises(InputError, match=r"git config --global user\.name"):
        identity()


def test_the_configuration_of_a_workspace_is_not_read(
    git: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "workspace"
    subprocess.run(["git", "init", "-q", str(workspace)], check=True)
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o700)
    for name, value in (("user.name", "Mallory"), ("user.signingkey", "K"), ("gpg.program", str(trap))):
        subprocess.run(["git", "-C", str(workspace), "config", name, value], check=True)
    monkeypatch.chdir(workspace)
    assert identity()[0] == "Ada"
    assert sign(WORD) == WORD
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    append_json(tmp_path / NAME, {"finding": "0123456789ab"})
    with pytest.raises(InputError, match=r"Line 1 of .* is not a valid adjudication; restore or remove it"):
        read_adjudications(tmp_path)


@pytest.mark.parametrize("damage", [b"\xff\xfe\n", b'{"finding": "0123', b"[]\n"])
def test_a_line_that_is_cut_is_not_skipped(tmp_path: Path, damage: bytes) -> None:
    """A decision that got lost would change the verdict."""
    append_json(tmp_path / NAME, WORD)
    assert read_adjudications(tmp_path) == [WORD]
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(InputError, match=r"Line 2 of .* is not a valid adjudication"):
        read_adjudications(tmp_path)
