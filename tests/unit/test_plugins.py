"""Entry points that cannot be loaded."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from posttrainbench import plugins
from posttrainbench.errors import InputError


def test_a_broken_entry_point_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_module:thing", "posttrainbench.engines")
    monkeypatch.setattr(plugins, "_points", lambda group, path: EntryPoints([broken]))
    with pytest.raises(InputError, match=r"entry point `broken` \(no_such_module:thing\) of `posttrainbench\.engines`"):
        plugins.load_plugin("engines", "broken")
