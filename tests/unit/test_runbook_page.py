"""The runbook as a page: all of its words, none of its marks."""

import re

from web.documents import runbook_page


def test_no_mark_of_markdown_is_left_and_every_heading_can_be_linked() -> None:
    markdown = runbook_page.RUNBOOK.read_text()
    page = runbook_page.html(markdown)
    assert not re.search(r"^(\||#|- )|\]\(|`", re.sub(r"<style>.*?</style>", "", page), re.MULTILINE)
    for heading in re.findall(r"^#+ (.+)$", markdown, re.MULTILINE):
        assert f">{heading}</h" in page
    assert page.count(" id=") == len(set(re.findall(r' id="([^"]+)"', page)))


def test_what_looks_like_html_in_it_stays_text() -> None:
    table = "| a | b |\n|---|---|\n| `beat` | x<y |"
    page = runbook_page.html(
        f"# One <b>\n\n{table}\n\n- [a link](b.md) & more\n\n```\nmake x\n\nmake y\n```\n"
    )
    assert '<h1 id="one-b">One &lt;b&gt;</h1>' in page
    assert '<tr id="beat"><td><code>beat</code></td><td>x&lt;y</td></tr>' in page
    assert "<pre>make x\n\nmake y</pre>" in page
    assert "<li>a link &amp; more</li>" in page
