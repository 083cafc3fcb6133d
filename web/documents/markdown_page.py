"""The runbook and the guide as pages, so that the console and the documents can lead to their paragraphs."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from web.documents.frames_page import head, text

# Blank lines end a block, but not within fences.
BLOCKS = re.compile(r"```.*?```|\S.*?(?=\n\n|\Z)", re.DOTALL)
DOCS = Path(__file__).parents[2] / "docs"
RUNBOOK, GUIDE = DOCS / "runbook.md", DOCS / "app-guide.md"


def html(markdown: str) -> str:
    """What both use of Markdown: headings, tables, lists, commands and paragraphs. A table's row
    is found by the word in its first cell (`#beat`), a heading by its words joined with hyphens.
    """
    title = markdown.partition("\n")[0].lstrip("# ")
    parts = [
        head(title),
        *(_block(block.splitlines()) for block in BLOCKS.findall(markdown)),
        "</main></html>",
    ]
    return "\n".join(parts)


def _block(lines: list[str]) -> str:
    if lines[0].startswith("#"):
        level, _, words = lines[0].partition(" ")
        name = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
        return f'<h{len(level)} id="{name}">{escape(words)}</h{len(level)}>'
    if lines[0].startswith("```"):
        return f"<pre>{escape(chr(10).join(lines[1:-1]))}</pre>"
    if lines[0].startswith("|"):
        return "<table>" + "".join(_rows(lines)) + "</table>"
    if lines[0].startswith("- "):
        items = "\n".join(lines)[2:].split("\n- ")
        return "<ul>" + "".join(f"<li>{_words(item)}</li>" for item in items) + "</ul>"
    return f"<p>{_words(' '.join(lines))}</p>"


def _rows(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip(" |").split("|")]
        kind = "td" if number else "th"
        word = re.fullmatch(r"`?([a-z]+)`?", cells[0]) if number else None
        place = f' id="{word[1]}"' if word else ""
        # The second line is the rule below the heading.
        if number != 1:
            yield f"<tr{place}>" + "".join(f"<{kind}>{_words(cell)}</{kind}>" for cell in cells) + "</tr>"


def _words(markdown: str) -> str:
    """A sentence; links and pictures become their words, since they lead into the repository."""
    plain = text(re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown))
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", plain, flags=re.DOTALL)
