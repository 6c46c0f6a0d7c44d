"""Keys are taken out of text; what only looks a little like one stays."""

import pytest

from posttrainbench.errors import InputError
from posttrainbench.redaction import MARK, Redactor, require_no_credentials

SHAPES = [
    "sk-ant-api03-" + "Ab1_" * 20,
    "sk-proj-" + "Ab1-" * 20,
    "sk-" + "a1B2" * 12,
    "AIza" + "Sy0_-" * 7,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2_" * 8,
    "hf_" + "aBcD" * 8,
    "AKIA" + "ABCD1234" * 2,
    "gsk_" + "a1B2" * 13,
    "eyJhbGciOiJIUzI1NiIsInR5cCI6.eyJzdWIiOiIxMjM0NTY3ODkw.c2lnbmF0dXJl",
]

INNOCENT = [
    "the task-20251101-with-a-long-name-of-its-own",
    "sk-learn-contrib-and-more-packages",
    "from huggingface_hub import hf_hub_download, hf_raise_for_status",
    "sha256 " + "0123456789abcdef" * 4,
    "Bearer of bad news, and of good ones",
    'headers = {"Authorization": f"Bearer {token}"}',
    "export OPENAI_API_KEY=sk-...",
    "checkpoint-1000/model.safetensors",
]


@pytest.mark.parametrize("key", SHAPES)
@pytest.mark.parametrize(
    "around", ["{}", '"key": "{}",', "KEY={} python train.py", "https://host/?key={}&x=1", "\t{}\n"]
)
def test_shapes_of_keys_are_redacted(key: str, around: str) -> None:
    line = Redactor().line(around.format(key))
    assert key not in line
    assert line == around.format(MARK)


@pytest.mark.parametrize(
    "name",
    [
        *("https://me:secret@host/v1#m", "https://secret@host/v1#m", "HTTPS://me:secret@host#m", "me:secret@host/v1#m"),
        *("https://me:sec#ret@host/v1#m", "https://me:sec/ret@host/v1#m", "https://host/v1?key=secret#m"),
        *("http:\\\\me:secret@host#m", "https://me:secret@[::1]:8000/v1#m"),
    ],
)
def test_names_of_models_with_a_password_are_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(InputError, match=r"The grader must be .* PTB_GRADER_API_KEY") as refused:
        require_no_credentials(name, "grader", "PTB_GRADER_API_KEY")
    assert "sec" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        *("openai/gpt-5-mini", "openrouter/z-ai/glm-4.5:free", "http://127.0.0.1:8000/v1#qwen:7b@latest"),
        *("https://host/v1#@cf/meta/llama", "http://[::1]:8000/v1#m", "http://box#m", "vertex/claude@20250101"),
    ],
)
def test_other_names_of_models_are_accepted(name: str) -> None:
    require_no_credentials(name, "grader", "PTB_GRADER_API_KEY")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("git clone https://me:secret@host/a.git", f"git clone https://{MARK}@host/a.git"),
        ("proxy=http://:secret@proxy:3128 x@y", f"proxy=http://{MARK}@proxy:3128 x@y"),
        ("https://me:se@cret@host/", f"https://{MARK}@host/"),
        ("ssh://git@github.com:22/a", "ssh://git@github.com:22/a"),
        ("http://host:8000/a@b", "http://host:8000/a@b"),
        ("http://host:8000 me@host", "http://host:8000 me@host"),
    ],
)
def test_passwords_in_urls_are_redacted(text: str, redacted: str) -> None:
    assert Redactor().line(text) == redacted


@pytest.mark.parametrize("line", INNOCENT)
def test_innocent_text_stays(line: str) -> None:
    assert Redactor(["another-known-key"]).line(line) == line


def test_bearer_tokens_of_any_shape_are_redacted() -> None:
    assert Redactor().line("authorization: bearer abcdefghijklmnop.qrst==, x") == f"authorization: bearer {MARK}, x"


@pytest.mark.parametrize("key", ["an unusual+key/with=signs", "k" * 8, "sk-ant-short", "ключ-ключ-ключ"])
def test_known_keys_are_redacted_whatever_their_shape(key: str) -> None:
    redactor = Redactor([key, ""])
    assert redactor.line(f"<{key}{key}>") == f"<{MARK}{MARK}>"


def test_known_keys_are_redacted_in_urls() -> None:
    assert Redactor(["a+key/with=signs"]).line("?key=a%2Bkey%2Fwith%3Dsigns") == f"?key={MARK}"


def test_of_two_known_keys_the_longer_goes_first() -> None:
    assert Redactor(["abcdefgh", "abcdefgh-ijkl"]).line("abcdefgh-ijkl") == MARK


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece", ["sk-", "sk-a", "eyJ-", "-eyJ" + "a" * 20, "Bearer ", "Bearer   ", "hf_", "AIza ", "ghp_a", "://", "://a:"]
)
def test_hostile_lines_take_time_in_proportion(piece: str) -> None:
    """With quadratic time this would run for hours."""
    line = piece * (2_000_000 // len(piece))
    assert Redactor(["known-key-1"]).line(line) == line


LONG = "an-unusual+key/with=signs-0123456789"


@pytest.mark.parametrize(
    "part", [LONG[:-1], LONG[1:], LONG[:20], LONG[-20:], "an-unusual%2Bkey%2Fwith%3Dsigns-012345678"]
)
def test_long_parts_of_known_keys_are_redacted(part: str) -> None:
    redactor = Redactor([LONG])
    assert redactor.line(f"a {part} b {part}") == f"a {MARK} b {MARK}"
    assert redactor.line(f"{LONG[:20]} {LONG[20:]}").startswith(MARK)


@pytest.mark.parametrize("text", ["an-unusual", "signs-0123456789", "key/with=signs"])
def test_short_parts_of_known_keys_stay(text: str) -> None:
    assert Redactor([LONG]).line(text) == text


def test_many_parts_of_a_key_are_all_redacted() -> None:
    key = "sk-planted-0123456789abcdef"
    text = f"{key[:14]} {key} {key[-14:]}, " * 1000
    assert Redactor([key]).line(text) == f"{MARK} {MARK} {MARK}, " * 1000
