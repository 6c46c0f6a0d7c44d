"""Renders the pages of the site: one Jinja environment, one base template, one security policy.

Most texts on the pages were written by agents. Four measures keep them harmless: templates escape everything; texts go
through `plain`, which removes control and bidirectional characters; the Content-Security-Policy allows only the site's
own styles and scripts and no inline ones; and links are built by `link_path`, never from an agent's text.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from posttrainbench import __version__
from posttrainbench.records.units import short_duration
from posttrainbench.report.tables import percents, ranks
from posttrainbench.report.text import percent, plain

POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file: data:; "
    "connect-src 'self' file:; base-uri 'none'; form-action 'none'"
)
"""Only own files; `file:` for pages that are opened from disk, where `'self'` does not cover them in all browsers."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def render(template: str, *, title: str, depth: int, **context: Any) -> str:
    """Return a page as HTML.

    Args:
        template: file in `templates/site/` that extends `site/base.html.jinja` and fills the block `main`.
        title: title of the page; the template prints its own heading.
        depth: number of directories between the page and the top of the site; relative links start with `root`.
        context: variables of the template. `active` names the current entry of the navigation.
    """
    values = {"active": "", **context}
    return (
        _environment()
        .get_template(f"site/{template}")
        .render(title=title, root="../" * depth, version=__version__, policy=POLICY, **values)
    )


def write_page(path: Path, template: str, *, title: str, depth: int, **context: Any) -> int:
    """Render a page and write it atomically; return its size in bytes. Arguments as for `render`."""
    text = render(template, title=title, depth=depth, **context)
    return write_file(path, text.encode())


def write_file(path: Path, data: bytes) -> int:
    """Write a file of the site so that readers see the old or the new content; return its size in bytes.

    It is not flushed to disk, which would take seconds for a large site: it can be written again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
    return len(data)


def link_path(name: str) -> str:
    """Return a name for a file or directory that needs no escaping in a URL.

    Different names may become the same: `build` numbers them.
    """
    safe = _UNSAFE.sub("-", name).strip("-.")[:80]
    return safe or "unnamed"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("posttrainbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent,
        percents=percents,
        plain=plain,
        ranks=ranks,
        duration=short_duration,
        tokens=count,
        dollars=dollars,
        words=lambda name: plain(str(name)).replace("_", " "),
    )
    return environment


def count(number: float | None) -> str:
    """Format a large count in three digits, such as `1.24 M`; None as an en dash."""
    if number is None:
        return "–"
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def dollars(amount: float | None) -> str:
    """Format US dollars; None as an en dash."""
    if amount is None:
        return "–"
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"
