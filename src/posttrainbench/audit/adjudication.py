"""People's word on findings: who overruled what, and why, signed as git signs.

The identity and the key are those of git's own configuration, the user's and the system's; that of a repository at hand
is not read, since it may be a workspace that an agent left. A signature says that the holder of the key wrote the
adjudication, and that nobody changed it since; whose key it is stays for git or the web of trust to say.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.files import read_jsonl
from posttrainbench.records import Adjudication, Finding

NAME = "adjudications.jsonl"
NAMESPACE = "posttrainbench"
SECONDS = 120  # a person may have to type a passphrase
State = Literal["unsigned", "signed", "unverified", "changed"]


def sign(adjudication: Adjudication) -> Adjudication:
    """The adjudication with a signature, where git is set up to sign; else as it is.

    Raises:
        InputError: git is set up to sign and cannot.
    """
    key = _git("config", "--type=path", "user.signingkey")
    if not key and _git("config", "--type=bool", "commit.gpgsign") != "true":
        return adjudication
    form = _git("config", "gpg.format") or "openpgp"
    if form == "ssh" and key:
        signature = _sign_ssh(key, _signed(adjudication))
    elif form == "openpgp":
        program = _git("config", "--type=path", "gpg.program") or "gpg"
        words = [program, "--batch", "--armor", "--detach-sign", "--local-user", key or adjudication.email]
        signature = _run(words, _signed(adjudication))
    else:
        raise InputError(f"Git is set up to sign with {form} and has no usable key; see `git config user.signingkey`.")
    return adjudication.model_copy(update={"signature": signature})


def identity() -> tuple[str, str]:
    """Name and e-mail address, as git knows the user.

    Raises:
        InputError: git does not know them.
    """
    person = _git("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
    name, _, rest = person.partition(" <")
    email = rest.partition(">")[0]
    if not (name and email):
        raise InputError(
            "An adjudication carries your name; tell git who you are with `git config --global user.name NAME` and "
            "`git config --global user.email ADDRESS`."
        )
    return name, email


def read_adjudications(folder: Path) -> list[Adjudication]:
    """The adjudications in a directory, oldest first.

    Raises:
        InputError: one cannot be read, or was changed since it was signed.
    """
    found = []
    for number, line in enumerate(read_jsonl(folder / NAME), 1):
        try:
            one = Adjudication.model_validate(line)
        except ValidationError as error:
            raise InputError(f"Adjudication {number} in {folder / NAME} is damaged. {one_line(error)}") from None
        if signature_state(one) == "changed":
            raise InputError(f"Adjudication {number} in {folder / NAME} was changed since it was signed; remove it.")
        found.append(one)
    return found


def latest(adjudications: Iterable[Adjudication]) -> dict[str, Adjudication]:
    """Finding -> the last word on it."""
    return {one.finding: one for one in adjudications}


def unapplied(word: Adjudication, finding: Finding) -> str:
    """Why a dismissal does not cover a finding that has grown since; "" if it does."""
    if word.decision == "confirm" or (finding.count <= word.count and finding.level.rank <= word.level.rank):
        return ""
    return (
        f"finding {finding.id} was dismissed by {word.name} with {word.count} found ({word.level.value}), and there "
        f"are {finding.count} ({finding.level.value}), so the dismissal does not cover it"
    )


def who(word: Adjudication) -> str:
    """`was dismissed by NAME <EMAIL>, signed: WHY`."""
    done = "dismissed" if word.decision == "dismiss" else "confirmed"
    signed = "signed" if word.signature else "unsigned"
    return f"was {done} by {word.name} <{word.email}>, {signed}: {word.why.rstrip('.')}"


def signature_state(word: Adjudication) -> State:
    """Whether the signature is that of these values. `unverified`: nothing here can tell."""
    if not word.signature:
        return "unsigned"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "signature")
        file.write_text(word.signature)
        if "SSH SIGNATURE" in word.signature:
            words = ["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(file)]
        else:
            words = ["gpg", "--batch", "--verify", str(file), "-"]
        try:
            done = subprocess.run(words, input=_signed(word), capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return "unverified"
    if done.returncode == 0:
        return "signed"
    said = done.stderr.decode(errors="replace")
    return "unverified" if "gpg" in words[0] and "BAD signature" not in said else "changed"


def _signed(adjudication: Adjudication) -> bytes:
    """What a signature is made of."""
    return json.dumps(adjudication.model_dump(mode="json", exclude={"signature"}), sort_keys=True).encode()


def _sign_ssh(key: str, data: bytes) -> str:
    program = _git("config", "--type=path", "gpg.ssh.program") or "ssh-keygen"
    literal = key.removeprefix("key::")
    if literal == key and not key.startswith("ssh-"):
        return _run([program, "-Y", "sign", "-n", NAMESPACE, "-f", key], data)
    with tempfile.TemporaryDirectory() as folder:  # a public key, whose other half the agent holds
        file = Path(folder, "key.pub")
        file.write_text(f"{literal}\n")
        return _run([program, "-Y", "sign", "-n", NAMESPACE, "-U", "-f", str(file)], data)


def _run(words: Sequence[str], data: bytes) -> str:
    try:
        done = subprocess.run(words, input=data, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"Git is set up to sign, and {words[0]} cannot: {one_line(error)}") from None
    if done.returncode != 0 or not done.stdout:
        said = " ".join(done.stderr.decode(errors="replace").split())[:200]
        raise InputError(f"Git is set up to sign, and {words[0]} cannot: {said}; unlock or mend the key.")
    return done.stdout.decode(errors="replace")


def _git(*words: str) -> str:
    """What git says, "" where it knows nothing.

    Raises:
        InputError: there is no git.
    """
    try:
        done = subprocess.run(["git", *words], cwd=Path.home(), capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        raise InputError("Git cannot be started; an adjudication carries git's identity, so install git.") from None
    return done.stdout.strip() if done.returncode == 0 else ""
