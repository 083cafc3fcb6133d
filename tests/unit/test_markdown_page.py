"""The runbook and the guide as pages: all of their words, none of their marks."""

import re
from pathlib import Path

import pytest

from web.documents import markdown_page


@pytest.mark.parametrize("source", [markdown_page.RUNBOOK, markdown_page.GUIDE], ids=lambda path: path.name)
def test_no_mark_of_markdown_is_left_and_every_heading_can_be_linked(source: Path) -> None:
    markdown = source.read_text()
    page = markdown_page.html(markdown)
    prose = re.sub(r"<(style|pre)>.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"^(\||#|- )|\]\(|`|\*\*", prose, re.MULTILINE)
    fences = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", fences.sub("", markdown), re.MULTILINE):
        assert f">{heading}</h" in page
    assert page.count(" id=") == len(set(re.findall(r' id="([^"]+)"', page)))


def test_what_looks_like_html_in_it_stays_text() -> None:
    table = "| a | b |\n|---|---|\n| `beat` | x<y |"
    page = markdown_page.html(
        f"# One <b>\n\n{table}\n\n- [a link](b.md) & more\n\n```\nmake x\n\nmake y\n```\n"
    )
    assert '<h1 id="one-b">One &lt;b&gt;</h1>' in page
    assert '<tr id="beat"><td><code>beat</code></td><td>x&lt;y</td></tr>' in page
    assert "<pre>make x\n\nmake y</pre>" in page
    assert "<li>a link &amp; more</li>" in page
