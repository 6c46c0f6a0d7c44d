"""People's decisions on findings, signed like git commits.

Identity and key come from the user's and the system's git configuration. The configuration of the current repository is
not read, because it may be a workspace that an agent left. A signature proves that the holder of the key wrote the
adjudication and that it was not changed since. It does not prove who owns the key.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.records import Adjudication, Finding
from posttrainbench.untrusted import UnreadableError, read_below

NAME = "adjudications.jsonl"
NAMESPACE = "posttrainbench"
SECONDS = 120  # a person may have to type a passphrase
State = Literal["unsigned", "signed", "unverified", "changed"]


def sign(adjudication: Adjudication) -> Adjudication:
    """Return the adjudication with a signature if git is configured to sign; otherwise unchanged.

    Raises:
        InputError: git is configured to sign, but signing failed.
    """
    key = _git("config", "--type=path", "user.signingkey")
    if not key and _git("config", "--type=bool", "commit.gpgsign") != "true":
        return adjudication
    form = _git("config", "gpg.format") or "openpgp"
    if form == "ssh" and key:
        signature = _sign_ssh(key, _signed(adjudication))
    elif form == "openpgp":
        program = _git("config", "--type=path", "gpg.program") or "gpg"
        command = [program, "--batch", "--armor", "--detach-sign", "--local-user", key or adjudication.email]
        signature = _run(command, _signed(adjudication))
    else:
        raise InputError(
            f"Git is configured to sign with {form}, but has no usable key; set `git config user.signingkey`."
        )
    return adjudication.model_copy(update={"signature": signature})


def identity() -> tuple[str, str]:
    """Return the user's name and e-mail address from git's configuration.

    Raises:
        InputError: they are not configured.
    """
    person = _git("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
    name, _, rest = person.partition(" <")
    email = rest.partition(">")[0]
    if not (name and email):
        raise InputError(
            "An adjudication records your name; set it with `git config --global user.name NAME` and "
            "`git config --global user.email ADDRESS`."
        )
    return name, email


def read_adjudications(folder: Path) -> list[Adjudication]:
    """Read the adjudications in an audit's directory, oldest first.

    Raises:
        InputError: one is invalid, damaged, or was changed after it was signed. None is skipped: a decision that got
            lost would change the verdict.
    """
    adjudications = []
    path = folder / NAME
    try:
        lines = read_below(folder.parent, path).splitlines()
    except FileNotFoundError:
        lines = []
    except UnreadableError as error:
        raise InputError(f"{path} cannot be read: {error}; restore or remove it.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            adjudication = Adjudication.model_validate_json(line)
        except ValidationError as error:
            raise InputError(
                f"Line {number} of {path} is not a valid adjudication; restore or remove it. {one_line(error)}"
            ) from None
        if signature_state(adjudication) == "changed":
            raise InputError(f"Adjudication {number} in {path} was changed after it was signed; remove it.")
        adjudications.append(adjudication)
    return adjudications


def latest(adjudications: Iterable[Adjudication]) -> dict[str, Adjudication]:
    """Return the last adjudication of each finding, by the finding's id."""
    return {adjudication.finding: adjudication for adjudication in adjudications}


def reason_not_applicable(adjudication: Adjudication, finding: Finding) -> str:
    """Return the reason why a dismissal does not cover a finding that has grown since; "" if it covers it."""
    grown = finding.count > adjudication.count or finding.level.rank > adjudication.level.rank
    if adjudication.decision == "confirm" or not grown:
        return ""
    return (
        f"finding {finding.id} was dismissed by {adjudication.name} at level {adjudication.level.value} with count "
        f"{adjudication.count}; it now has level {finding.level.value} and count {finding.count}, so the dismissal "
        "does not cover it"
    )


def describe(adjudication: Adjudication) -> str:
    """Return `was dismissed by NAME <EMAIL>, signed: REASON`, or the like."""
    decision = "dismissed" if adjudication.decision == "dismiss" else "confirmed"
    signed = "signed" if adjudication.signature else "unsigned"
    return f"was {decision} by {adjudication.name} <{adjudication.email}>, {signed}: {adjudication.why.rstrip('.')}"


def signature_state(adjudication: Adjudication) -> State:
    """Verify the signature; `unverified` means that this machine cannot verify it."""
    if not adjudication.signature:
        return "unsigned"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "signature")
        file.write_text(adjudication.signature)
        if "SSH SIGNATURE" in adjudication.signature:
            command = ["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(file)]
        else:
            command = ["gpg", "--batch", "--verify", str(file), "-"]
        try:
            done = subprocess.run(command, input=_signed(adjudication), capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return "unverified"
    if done.returncode == 0:
        return "signed"
    message = done.stderr.decode(errors="replace")
    return "unverified" if "gpg" in command[0] and "BAD signature" not in message else "changed"


def _signed(adjudication: Adjudication) -> bytes:
    """Return the bytes that are signed: all values but the signature, as JSON."""
    return json.dumps(adjudication.model_dump(mode="json", exclude={"signature"}), sort_keys=True).encode()


def _sign_ssh(key: str, data: bytes) -> str:
    program = _git("config", "--type=path", "gpg.ssh.program") or "ssh-keygen"
    literal = key.removeprefix("key::")
    if literal == key and not key.startswith("ssh-"):
        return _run([program, "-Y", "sign", "-n", NAMESPACE, "-f", key], data)
    with tempfile.TemporaryDirectory() as folder:  # a public key, whose private key the SSH agent holds
        file = Path(folder, "key.pub")
        file.write_text(f"{literal}\n")
        return _run([program, "-Y", "sign", "-n", NAMESPACE, "-U", "-f", str(file)], data)


def _run(command: Sequence[str], data: bytes) -> str:
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"Git is configured to sign, but {command[0]} failed: {one_line(error)}") from None
    if done.returncode != 0 or not done.stdout:
        message = " ".join(done.stderr.decode(errors="replace").split())[:200]
        raise InputError(f"Git is configured to sign, but {command[0]} failed: {message}; unlock or fix the key.")
    return done.stdout.decode(errors="replace")


def _git(*arguments: str) -> str:
    """Return the output of a git command, "" if it fails.

    Raises:
        InputError: git cannot be started.
    """
    try:
        done = subprocess.run(["git", *arguments], cwd=Path.home(), capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        raise InputError("Git cannot be started; install it, since adjudications record git's identity.") from None
    return done.stdout.strip() if done.returncode == 0 else ""
