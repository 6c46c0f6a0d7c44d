"""Layout of text on a terminal. Words are never broken, so that paths can be copied also from narrow or piped output.

Print with `soft_wrap=True`, which keeps Rich from cutting lines that are too long.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

MIN_WIDTH = 20


@dataclass(frozen=True)
class Paragraph:
    """Indented text that is wrapped between words. A word that is too long exceeds the width.

    Attributes:
        head: printed in the indentation of the first line.
    """

    text: Text
    indent: int = 2
    head: Text = field(default_factory=Text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(MIN_WIDTH, options.max_width - self.indent)
        breaks, start = [], 0
        for word in re.finditer(r"\S+", self.text.plain):
            if word.start() > start and cell_len(self.text.plain[start : word.end()]) > width:
                breaks.append(start := word.start())
        for number, line in enumerate(self.text.divide(breaks)):
            margin = self.head.copy() if number == 0 else Text()
            margin.pad_right(self.indent - margin.cell_len)
            line.rstrip()
            yield Text.assemble(margin, line, no_wrap=True, overflow="ignore")


def columns(rows: Sequence[Sequence[str | Text]], right: Sequence[int] = (), gap: int = 2) -> list[Text]:
    """Align cells in columns. The last column is neither wrapped nor padded.

    Args:
        rows: cells, equally many in each row.
        right: indices of the columns that are aligned to the right.
        gap: spaces between columns.
    """
    cells = [[cell.copy() if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
            padding = width - cell.cell_len
            if index in right:
                cell.pad_left(padding)
            elif index < len(row) - 1:
                cell.pad_right(padding)
        lines.append(Text(" " * gap, no_wrap=True, overflow="ignore").join(row))
    return lines
