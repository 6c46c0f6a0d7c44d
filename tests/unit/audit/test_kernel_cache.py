import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

from posttrainbench.audit import kernel_cache
from posttrainbench.audit.contamination.scan import tokens
from posttrainbench.audit.kernel_cache import are_compiled, cached, directories


def double(values: Any) -> Any:
    return values * 2


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source file in a package that is writable, with a home, a cache and temporary files of its own."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "package").mkdir()
    path = tmp_path / "package" / "source.py"
    path.write_text("x = 1")
    directories.cache_clear()
    return path


def hits(source: Path) -> int:
    """Run a kernel as a new process would; return how many times its machine code was on disk."""
    kernel = cached(numba.njit(double), [source])
    assert kernel(np.arange(3)).tolist() == [0, 2, 4]
    return sum(kernel.stats.cache_hits.values())


def beside(source: Path) -> Path:
    return next((source.parent / "__pycache__").iterdir())


def test_compiled_once_beside_the_source(source: Path) -> None:
    assert not are_compiled([source])
    assert hits(source) == 0
    assert are_compiled([source])
    assert hits(source) == 1
    assert not (source.parent.parent / "home").exists()


def test_a_new_version_of_the_source_is_compiled_again(source: Path) -> None:
    hits(source)
    source.write_text("x = 2")
    directories.cache_clear()
    assert not are_compiled([source])
    assert hits(source) == 0


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80", b"no machine code"])
def test_a_damaged_file_is_compiled_again_and_replaced(source: Path, suffix: str, content: bytes) -> None:
    hits(source)
    (file,) = beside(source).glob(f"*.{suffix}")
    file.write_bytes(content)
    assert hits(source) == 0
    assert hits(source) == 1


def test_another_processor_has_code_of_its_own(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hits(source)
    codegen = SimpleNamespace(magic_tuple=lambda: ("another", "processor", ""))
    cache = cached(numba.njit(double), [source])._cache
    monkeypatch.setattr(kernel_cache._Compiled, "_rebuild", lambda *_: pytest.fail("code of another processor"))
    context = SimpleNamespace(refresh=lambda: None, codegen=lambda: codegen)
    assert cache.load_overload((), context) is None


@pytest.mark.parametrize("blocked", ["package", "package and home"])
def test_unwritable_directories(source: Path, blocked: str) -> None:
    for part in blocked.split(" and "):
        place = source.parent / "__pycache__" if part == "package" else source.parent.parent / "home"
        place.write_text("in the way")  # root may write everywhere, so permissions do not help
    assert hits(source) == 0
    assert hits(source) == 1


def test_nothing_is_writable(source: Path) -> None:
    for place in (source.parent / "__pycache__", source.parent.parent / "home"):
        place.write_text("in the way")
    (source.parent.parent / "tmp").rmdir()
    assert hits(source) == 0
    assert hits(source) == 0


def test_code_from_a_directory_of_others_is_not_executed(source: Path) -> None:
    for place in (source.parent / "__pycache__", source.parent.parent / "home"):
        place.write_text("in the way")
    hits(source)
    (private,) = (source.parent.parent / "tmp").iterdir()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert hits(source) == 1
    private.chmod(0o777)
    assert hits(source) == 0


def test_no_bytecode_beside_the_source_where_python_shall_not_write_it(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    hits(source)
    assert not (source.parent / "__pycache__").exists()
    assert hits(source) == 1


def test_the_chosen_directory_takes_precedence(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "chosen"))
    hits(source)
    assert any((tmp_path / "chosen").rglob("*.nbc"))


def test_words_of_each_text_are_those_of_the_text_alone() -> None:
    texts = [b"one two 3", b"", b"a\nb \\", b"&", b"caf\xc3\xa9 &amp; x\\n", b"last"]
    for text, found in zip(texts, tokens.words_of_each(texts), strict=True):
        alone = tokens.words(text)
        assert found.hashes.tolist() == alone.hashes.tolist()
        assert found.starts.tolist() == alone.starts.tolist()
        lines = (found.lines - found.lines[:1].sum()).tolist()
        assert lines == (alone.lines - alone.lines[:1].sum()).tolist()


def test_every_kernel_is_compiled_at_install_time() -> None:
    code = """
import sys
from posttrainbench.audit import compile_kernels
compile_kernels._run_all()
from numba.core.dispatcher import Dispatcher
for name, module in list(sys.modules.items()):
    if name.startswith("posttrainbench.audit"):
        for kernel in vars(module).values():
            if isinstance(kernel, Dispatcher) and kernel.__module__ == name:
                stored = any(path.is_file() for place, file in kernel._cache._files for path in place.glob(
                    f"{name.rpartition('.')[2]}.{kernel.__name__}.*.nbi"))
                inlined = kernel.targetoptions.get("inline") == "always"
                print(name, kernel.__name__, "stored" if stored else "inlined" if inlined else "MISSING")
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "_tokenize stored" in made.stdout
    assert "MISSING" not in made.stdout
