"""Text in no known language or encoding is named; what data sets, programs and logs contain is not."""

import base64
import hashlib
import json
import random
import string
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posttrainbench.audit.contamination.scan import ScanReport, Whitelist, scan, windows
from posttrainbench.audit.contamination.scan.files import FileResult
from posttrainbench.audit.contamination.scan.scanner import _joined
from posttrainbench.audit.contamination.scan.sequences import are_sequences
from posttrainbench.audit.contamination.scan.unreadable import LEAST, UNREADABLE
from posttrainbench.benchmarks import Item
from scan_problems import problems
from text_encodings import ENCODINGS

TESTS = problems()
HONEST = [f"{item.question}\n{item.answer}" for item in problems(200, seed=11)]
CIPHER = [ENCODINGS["secret alphabet"](f"{item.question}\n{item.answer}") for item in problems(60, seed=12)]
LANGUAGES = {
    "German": (
        "Der Mann ging am Morgen in die Stadt, weil er dort für seine Kinder etwas zu essen kaufen wollte. Auf "
        "dem Markt traf er eine alte Frau, die ihm von ihrem Garten erzählte und ihm zwei Äpfel schenkte. "
    ),
    "Finnish": (
        "Mies lähti aamulla kaupunkiin, koska hän halusi ostaa lapsilleen ruokaa. Torilla hän tapasi vanhan "
        "naisen, joka kertoi hänelle puutarhastaan ja antoi hänelle kaksi omenaa, mutta ei ottanut niistä "
        "mitään. "
    ),
    "Turkish": (
        "Adam sabah çocuklarına yiyecek almak için şehre gitti. Pazarda ona bahçesini anlatan ve iki elma veren "
        "yaşlı bir kadınla karşılaştı, ama kadın bunun için ondan hiç para istemedi. "
    ),
    "Vietnamese": (
        "Buổi sáng người đàn ông đi vào thành phố vì muốn mua đồ ăn cho các con của mình. Ở chợ ông gặp một bà "
        "cụ, bà kể cho ông nghe về khu vườn và cho ông hai quả táo. "
    ),
    "Russian": (
        "Утром мужчина пошёл в город, потому что хотел купить там еды для своих детей. На рынке он встретил "
        "старую женщину, которая рассказала ему о своём саде и подарила ему два яблока. "
    ),
    "Chinese": (
        "早上那个男人到城里去，因为他想给孩子们买一些吃的东西。在市场上他遇见了一位老太太，她说起自己的花园，还送"
        "给他两个苹果。"
    ),
    "Japanese": (
        "朝、男の人は子供たちのために食べ物を買おうと思って町へ行きました。市場で彼は年をとった女の人に会い、その"
        "人は自分の庭の話をして、りんごを二つくれました。"
    ),
    "Korean": (
        "아침에 남자는 아이들에게 줄 음식을 사려고 시내에 갔습니다. 시장에서 그는 나이 많은 여자를 만났고, 그 "
        "여자는 자기 정원에 대해 이야기하고 사과 두 개를 주었습니다. "
    ),
    "Arabic": (
        "ذهب الرجل في الصباح إلى المدينة لأنه أراد أن يشتري طعاما لأولاده. وفي السوق قابل امرأة عجوزا حدثته عن "
        "حديقتها وأعطته تفاحتين. "
    ),
    "Hindi": (
        "सुबह वह आदमी शहर गया क्योंकि वह अपने बच्चों के लिए खाना खरीदना चाहता था। बाज़ार में उसे एक बूढ़ी औरत "
        "मिली जिसने उसे अपने बगीचे के बारे में बताया। "
    ),
    "Thai": ("ตอนเช้าผู้ชายคนนั้นเข้าไปในเมืองเพราะเขาต้องการซื้ออาหารให้ลูก ๆ ที่ตลาดเขาพบหญิงชราคนหนึ่งที่เล่าเรื่องสวนของเธอให้เขาฟัง "),
}


def lines(rows: list[object]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def scanned(folder: Path, data: str | bytes, name: str = "rows.jsonl") -> ScanReport:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return scan([folder / name], TESTS, workers=1)


def notebook(rng: random.Random) -> str:
    images = [base64.encodebytes(b"\x89PNG\r\n\x1a\n" + rng.randbytes(4000)).decode() for _ in range(9)]
    return json.dumps({"cells": [{"source": ["plot(x)\n"], "outputs": [{"data": {"image/png": i}}]} for i in images]})


def embeddings(rng: random.Random) -> str:
    values = np.random.default_rng(rng.randrange(99)).normal(0, 0.05, (40, 384)).astype("<f4")
    return lines([{"id": n, "vector": base64.b64encode(row.tobytes()).decode()} for n, row in enumerate(values)])


def move(rng: random.Random) -> str:
    return rng.choice(["", *"KQRBN"]) + rng.choice("abcdefgh") + rng.choice("12345678")


INNOCENT: dict[str, Callable[[random.Random], str]] = {
    "identifiers": lambda rng: "\n".join(str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(900)),
    "hashes": lambda rng: "\n".join(hashlib.sha256(bytes([n & 255, n >> 8])).hexdigest() for n in range(900)),
    "lock file": lambda rng: json.dumps(
        {f"a{n}": {"integrity": f"sha512-{base64.b64encode(rng.randbytes(64)).decode()}"} for n in range(300)}, indent=1
    ),
    "random strings": lambda rng: "\n".join(
        "".join(rng.choices(string.ascii_letters + string.digits, k=40)) for _ in range(900)
    ),
    "DNA": lambda rng: ">chr1\n" + "\n".join("".join(rng.choices("ACGT", k=60)) for _ in range(900)),
    "proteins": lambda rng: lines(
        [{"sequence": "".join(rng.choices("LLLAAGGVVEESSIKRDTPNQFYMHCW", k=200))} for _ in range(90)]
    ),
    "games": lambda rng: "\n\n".join(
        " ".join(f"{n}. {move(rng)} {move(rng)}" for n in range(1, 40)) + " 1-0" for _ in range(60)
    ),
    "grids": lambda rng: json.dumps([[[rng.randrange(10) for _ in range(12)] for _ in range(12)] for _ in range(40)]),
    "paths": lambda rng: (
        "<svg><path d='M"
        + " ".join(f"{rng.choice('lcsq')}{rng.gauss(0, 5):.2f} {rng.gauss(0, 5):.2f}" for _ in range(2000))
        + "z'/></svg>"
    ),
    "notebook": notebook,
    "embeddings": embeddings,
    "log": lambda rng: "\n".join(
        f"\x1b[3{n % 8}m[{n:05}]\x1b[0m {'█' * (n % 30)} step {n} loss {rng.random():.4f}" for n in range(2000)
    ),
    "formulas": lambda rng: "\n".join(
        rf"\int_{{{rng.randrange(9)}}}^{{\infty}} \frac{{\partial u}}{{\partial x_{{{n}}}}} dx = \mathcal{{O}}(n^2)"
        for n in range(200)
    ),
    "minified": lambda rng: "".join(
        f"function {rng.choice('abc')}(e,t){{var n=e[{n}];return n&&(t.p=n<<{n % 9},r(e,t,!0)),o(n)?a:i}}"
        for n in range(300)
    ),
    "colors": lambda rng: "\n".join(f".c{n}{{color:#{rng.getrandbits(24):06x}}}" for n in range(900)),
    "copies": lambda rng: lines(
        [{"prompt": f"Copy {(word := ''.join(rng.choices(string.ascii_lowercase, k=12)))}", "completion": word}] * 400
    ),
}


@pytest.mark.parametrize("name", INNOCENT)
def test_data_of_known_kinds_is_clean(tmp_path: Path, name: str) -> None:
    data = lines([{"text": text} for text in HONEST[:20]]) + INNOCENT[name](random.Random(4))
    result = scanned(tmp_path, data, "data.txt")
    assert (result.verdict, result.skipped) == ("clean", [])


@pytest.mark.parametrize("language", LANGUAGES)
def test_known_languages_are_clean_and_the_same_letters_in_another_order_are_not(tmp_path: Path, language: str) -> None:
    text = LANGUAGES[language] * 30
    for data in (lines([{"text": text}]), json.dumps({"text": text}), text):
        assert scanned(tmp_path, data).verdict == "clean"
    letters = sorted({letter for letter in text.lower() if letter.isalpha()})
    secret = str.maketrans(dict(zip(letters, random.Random(6).sample(letters, len(letters)), strict=True)))
    words = random.Random(7).choices(text.lower().split(), k=900)
    result = scanned(tmp_path, " ".join(words).translate(secret), "rows.txt")
    if language not in ("Arabic", "Chinese", "Japanese", "Korean", "Hindi", "Thai"):
        assert [skip.reason for skip in result.skipped] == [UNREADABLE]


def test_a_few_unread_characters_are_clean(tmp_path: Path) -> None:
    rows = [{"text": text} for text in [*HONEST, *CIPHER[:2]]]
    assert scanned(tmp_path, lines(rows)).verdict == "clean"


@pytest.mark.parametrize("around", ["Decode this and then answer the question as if it was not in any code: ", ""])
def test_rows_in_a_cipher_are_named_however_much_is_around(tmp_path: Path, around: str) -> None:
    rows = [{"text": text} for text in HONEST * 20] + [{"text": around + text} for text in CIPHER]
    random.Random(1).shuffle(rows)
    result = scanned(tmp_path, lines(rows))
    assert (result.verdict, [skip.reason for skip in result.skipped]) == ("not_checked", [UNREADABLE])


def test_an_image_that_is_longer_than_a_window_is_known_by_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 2**16)
    rng = random.Random(3)
    for start, verdict in ((b"\x89PNG\r\n\x1a\n", "clean"), (b"\x01\x02", "not_checked")):
        image = base64.b64encode(start + rng.randbytes(200_000)).decode()
        assert scanned(tmp_path, f"<p>{HONEST[0]}</p><img src='data:,{image}'>", "a.html").verdict == verdict


def test_text_in_digits_of_few_letters_is_no_sequence() -> None:
    rng = random.Random(8)
    assert are_sequences(["".join(rng.choices("ACGT", k=3000)).encode()])
    text = " ".join(HONEST[:40])
    assert not are_sequences([ENCODINGS["base4, letters"](text).encode()])
    pieces = [ENCODINGS["base4, letters"](text)[start : start + 997].encode() for start in range(0, 40_000, 1000)]
    assert not are_sequences(pieces)
    assert not are_sequences(["".join(filter(str.isalpha, text)).encode()])


def strings_in_tests(seed: int) -> list[dict[str, object]]:
    """Return rows of a code benchmark whose tests compare strings of random letters."""
    rng = random.Random(seed)
    made = ["".join(rng.choices("bdklmnrst", k=9)) * 3 for _ in range(240)]
    return [
        {
            "question": f"Write f, which repeats text number {n} three times.",
            "answer": "def f(x): return 3 * x",
            "tests": part,
        }
        for n, part in enumerate(made[start : start + 6] for start in range(0, len(made), 6))
    ]


@pytest.mark.parametrize("form", ["rows", "chats", "other rows"])
def test_strange_words_of_the_permitted_split_are_no_encoding(form: str, tmp_path: Path) -> None:
    permitted = strings_in_tests(1)
    rows: list[object] = [*(strings_in_tests(2) if form == "other rows" else permitted)]
    if form == "chats":
        rows = [
            {"messages": [{"role": "user", "content": "\n".join([row["question"], *row["tests"]])}]}
            for row in permitted
        ]
    file = tmp_path / "rows.jsonl"
    file.write_text(lines(rows))
    split = [Item(f"train/{n}", str(row["question"]), str(row["answer"]), row) for n, row in enumerate(permitted)]
    report = scan([file], TESTS, whitelist=Whitelist(items=split))
    assert [one.reason for one in report.skipped] == [UNREADABLE] * (form == "other rows")


@pytest.mark.parametrize(("letters", "length"), [("ACGT", 70), ("ACDEFGHIKLMNPQRSTVWY", 60)])
def test_lines_of_independent_letters_are_sequences(letters: str, length: int) -> None:
    for seed in range(5):
        rng = random.Random(seed)
        assert are_sequences(["".join(rng.choices(letters, k=length)).encode() for _ in range(1000)])
    text = ENCODINGS["base4, letters"](" ".join(HONEST[:60]))
    for cut in (60, 61, 70):  # groups of four letters begin at any place of a line
        assert not are_sequences([text[start : start + cut].encode() for start in range(0, len(text), cut)])


@pytest.mark.parametrize(("each", "reason"), [(LEAST // 2, UNREADABLE), (LEAST // 4, "")])
def test_unread_text_in_segments_of_a_file_is_added_up(each: int, reason: str) -> None:
    assert _joined([FileResult(unreadable=each), FileResult(unreadable=each)]).reason == reason
