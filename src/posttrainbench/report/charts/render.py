"""Draws charts as SVG, PNG and PDF with vl-convert, which contains Vega and works without network access.

On the site, charts are SVG drawn in advance: scripts of Vega would need `unsafe-eval` in the page's security policy, or
a second interpreter, and would make each page larger by a megabyte. What is lost is zooming. Values are shown when the
pointer rests on a mark (SVG titles) and in a table below each chart.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import vl_convert

from posttrainbench.errors import InputError
from posttrainbench.files import write_bytes

FORMATS = ("svg", "png", "pdf")
_SVG = "http://www.w3.org/2000/svg"
_TAGS = {"svg", "g", "path", "line", "rect", "text", "tspan", "title", "circle", "defs", "clipPath"}
_ATTRIBUTES = set(
    "width height viewBox fill stroke stroke-width stroke-dasharray stroke-miterlimit stroke-linecap stroke-linejoin "
    "stroke-opacity fill-opacity opacity transform d x y x1 x2 y1 y2 cx cy r rx ry text-anchor font-size font-weight "
    "display clip-path id".split()
)
"""Everything that a drawn chart needs. Links, scripts, styles and event handlers are not among it."""

ET.register_namespace("", _SVG)


def write_figure(spec: dict[str, Any], path: Path) -> None:
    """Draw a chart on white ground, in the format that the file's name ends with.

    Raises:
        InputError: the name has another ending.
    """
    spec = {**spec, "background": "white"}
    match path.suffix.lower():
        case ".svg":
            content = vl_convert.vegalite_to_svg(spec).encode()
        case ".png":
            content = vl_convert.vegalite_to_png(spec, scale=2)
        case ".pdf":
            content = vl_convert.vegalite_to_pdf(spec)
        case _:
            raise InputError(f"{path.name} has none of the endings {', '.join(f'.{each}' for each in FORMATS)}.")
    write_bytes(path, content)


def inline_svg(spec: dict[str, Any], label: str) -> str:
    """Draw a chart for a page: only elements and attributes of drawings, and the values of marks as titles.

    Args:
        label: name of the chart for screen readers.
    """
    root = ET.fromstring(vl_convert.vegalite_to_svg(spec))  # noqa: S314 written by vl-convert
    _clean(root)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def _clean(element: ET.Element) -> None:
    """Remove everything from an element that is not listed; keep the description of a mark as its title."""
    described = element.get("aria-label") if element.get("role") == "graphics-symbol" else None
    for name in list(element.attrib):
        if name not in _ATTRIBUTES or ("url(" in element.attrib[name] and name != "clip-path"):
            del element.attrib[name]
    for child in list(element):
        if str(child.tag).removeprefix(f"{{{_SVG}}}") in _TAGS:
            _clean(child)
        else:
            element.remove(child)
    if described and len(element) == 0:
        ET.SubElement(element, f"{{{_SVG}}}title").text = described
