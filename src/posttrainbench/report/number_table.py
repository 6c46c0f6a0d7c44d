"""A table of names and numbers for the terminal, in which names are never broken."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

NAME_WIDTH = 20
"""Smallest width of the column of names, where the terminal is wide enough."""
GAP = 2


class NumberTable:
    """A table whose first column is text and whose other columns are numbers.

    If a name is too wide for the terminal, it is on a line of its own above its numbers.
    """

    def __init__(self, header: Sequence[str], title: Text | None = None) -> None:
        """Create a table without rows.

        Args:
            header: names of the columns.
            title: printed above the table.
        """
        self.title = title
        self._rows = [[Text(name, "bold") for name in header]]

    def add_row(self, *cells: str | Text, style: str | None = None) -> None:
        """Add a row. Cells that are left out at its end are empty; `style` applies to the whole row."""
        row = [cell.copy() if isinstance(cell, Text) else Text(cell) for cell in cells]
        row += [Text() for _ in range(len(self._rows[0]) - len(row))]
        for cell in row:
            if style:
                cell.stylize_before(style)
        self._rows.append(row)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [max(cell.cell_len for cell in column) for column in zip(*self._rows, strict=True)][1:]
        room = max(0, options.max_width - 2 - sum(GAP + width for width in widths))
        fitting = [row[0].cell_len for row in self._rows if row[0].cell_len <= room]
        first = max([min(NAME_WIDTH, room), *fitting])
        whole = first + sum(GAP + width for width in widths)
        if self.title is not None:
            yield Text.assemble(self.title, no_wrap=True, overflow="ignore", style="italic")
        yield Text()
        for number, row in enumerate(self._rows):
            name = row[0].copy()
            if name.cell_len > first:
                yield Text.assemble(" ", name, no_wrap=True, overflow="ignore")
                name = Text()
            line = Text(" ", no_wrap=True, overflow="ignore")
            name.pad_right(first - name.cell_len)
            line.append_text(name)
            for cell, width in zip(row[1:], widths, strict=True):
                line.append(" " * (GAP + width - cell.cell_len)).append_text(cell)
            line.rstrip()
            yield line
            if number == 0:
                yield Text(f" {'─' * whole}", no_wrap=True, overflow="ignore")
        yield Text()
