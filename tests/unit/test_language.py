"""The old dialect of this project is in no document, comment or docstring that has been cleaned.

A phrase is listed where it is always wrong; a word that has a right use too is listed with its context.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

# What stood here, and what to say instead.
DIALECT = {
    r"\bcome[sn]? back\b|\bcame back\b|\bcoming back at once\b": "reconnects, returns, repeats",
    r"\bcomes? on (his|her|their) own\b": "independent arrivals",
    r"\bwhoever\b|\bwhomever\b": "the client, the process, the first one: say who",
    r"\bgive[sn]? way\b|\bgave way\b": "yields, lets others run",
    r"\bgive[sn]? (it|them) back\b": "releases",
    r"\btakes? it back\b": "rolls back, undoes",
    r"\b(is|are|was|were|be|been) told\b|\btells? (him|drivers|customers|everybody|people)\b": "is notified",
    r"\b(he|she|his|him|her|hers|himself)\b": "they, their",
    r"\bwho comes\b|\bwho is first\b|\bwho has come\b": "arrivals, the first one",
    r"\bin company\b|\bfor company\b": "closed-loop clients",
    r"\bwho(ever)? stands? at the door\b|\bknocks?\b": "connections that wait",
    r"\bby turns\b|\bturn about\b": "in turn, alternating",
    r"\blanded\b|\bis out\b|\bare out\b": "finished, in flight",
    r"\bthe time of a run\b|\bof so many as\b": "arrivals during a batch",
    r"\bits? hour begins\b|\btrips? of commands\b": "the TTL is renewed; pipeline",
    r"\bthere and then\b|\ball the same\b|\bthe other way round\b": "say it plainly",
    r"\banew\b": "again",
    r"\bas it were\b|\bso to speak\b": "say it plainly",
    r"\b(sends?|sent) (it|them|a city|him) home\b": "stops",
    r"\bwhat is left over\b|\bwhat comes of\b": "say of what",
    r"\bfound good\b|\bwhat nobody takes\b": "valid; unaccepted orders",
}
# In documents these are always wrong too; in code some are names.
DIALECT_OF_PAGES = {
    r"\btold\b|\bhears?\b|\bheard\b": "notified, gets, is answered",
    r"\bat (the|every) door\b|\bthe door\b": "on a route, in the handshake",
}
# They name anything: a loop variable says what it holds.
NAMELESS = {"one", "each"}
PATTERNS = {re.compile(phrase, re.IGNORECASE): instead for phrase, instead in DIALECT.items()}
PATTERNS_OF_PAGES = PATTERNS | {
    re.compile(phrase, re.IGNORECASE): instead for phrase, instead in DIALECT_OF_PAGES.items()
}

# What is clean. A folder is added when its comments and docstrings have been reworded, and stays.
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/*.md",
    "docs/decisions/*.md",
    "tools/bench/results/*.md",
)
FOLDERS = ("clients", "models", "server", "tasks", "tests", "tools", "web", "workers")
FILES = ("tests/film.py", "tests/unit/test_promises.py", "tests/unit/test_links_and_commands.py")


def _pages() -> list[Path]:
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


def _sources() -> list[Path]:
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted([*inside, *(ROOT / name for name in FILES)])


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose_of_page(path: Path) -> str:
    """A page without its programs, and without names in backticks."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def _prose_of_source(path: Path) -> str:
    """Comments and docstrings; in a line each, so that a phrase over two lines is found."""
    source = path.read_text()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return "\n".join([*comments, *filter(None, map(ast.get_docstring, documented))])


def _dialect(text: str, patterns: dict[re.Pattern[str], str] = PATTERNS) -> list[str]:
    joined = re.sub(r"\s*\n\s*", " ", text)
    return [
        f"{joined[max(0, found.start() - 40) : found.end() + 40]!r}: {instead}"
        for pattern, instead in patterns.items()
        for found in pattern.finditer(joined)
    ]


@pytest.mark.parametrize("page", _pages(), ids=_name)
def test_a_document_is_in_plain_technical_english(page: Path) -> None:
    assert _dialect(_prose_of_page(page), PATTERNS_OF_PAGES) == []


@pytest.mark.parametrize("source", _sources(), ids=_name)
def test_comments_and_docstrings_are_in_plain_technical_english(source: Path) -> None:
    assert _dialect(_prose_of_source(source)) == []


def _loop_variables(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of what loops, comprehensions and lambdas bind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            bound = [name for name in ast.walk(node.target) if isinstance(name, ast.Name)]
            yield from ((name.lineno, name.id) for name in bound)
        elif isinstance(node, ast.Lambda):
            yield from ((argument.lineno, argument.arg) for argument in node.args.args)


@pytest.mark.parametrize("source", _sources(), ids=_name)
def test_a_loop_variable_says_what_it_holds(source: Path) -> None:
    bound = _loop_variables(ast.parse(source.read_text()))
    assert [(line, name) for line, name in bound if name in NAMELESS] == []


def test_the_old_dialect_is_noticed() -> None:
    said = "Whoever comes back at once is told so, and gives\nway to the others; his driver is out."
    assert len(_dialect(said)) >= 5
    assert _dialect("A client that reconnects is notified. The lock is released.") == []
