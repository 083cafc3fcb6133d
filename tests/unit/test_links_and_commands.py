"""Every link, file and command that the documents name is real."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "tools" / "bench").rglob("*.md"),
        *(ROOT / "clients").rglob("*.md"),
    }
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# A file of ours in backticks: a path with a folder and an ending.
PATH = re.compile(r"`((?:[\w.*-]+/)+[\w.*-]+\.(?:py|md|toml|lua|sql|sh|yml|yaml|svg|png|gif|ini))`")
CODE = re.compile(r"^```\w*\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"(?:^|\(|\s)make((?: -s)? [a-z][\w-]*(?: [A-Z]+=(?:\"[^\"]*\"|\S*))*)")
MODULE = re.compile(r"\bpython -m ([\w.]+)([^`\n#]*)")
# Links that the tests do not open: they lead out of the repository, or to a running system.
ELSEWHERE = re.compile(r"https?://|mailto:")
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*##", MAKEFILE, re.MULTILINE))
# Whose options stand in the sources of which package, for `make X ARGS="..."`.
PACKAGES = {
    "bench": "tools/bench",
    "replay": "tools/replay",
    "growth": "tests/growth",
    "overload": "tools/bench",
    "faults": "tests/faults",
    "fuzz": "tests/fuzz",
    "conform": "tests/conform",
    "containers": "tests/containers",
    "soak": "tests/faults",
    "crowd": "tests/faults",
    "console-soak": "tests/soak",
    "test": "tests",
    "test-long": "tests",
    "bench-against": "tools/bench",
    "profile": "tools/bench",
    "test-by-hand": "tests",
}
# pytest's own.
OPTIONS_OF_PYTEST = {"-k", "-m", "-x", "-q", "-n"}
# Not ours to look into; their arguments are theirs too.
MODULES_OF_OTHERS = {"alembic", "pytest", "pip", "venv"}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    return {_slug(heading) for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def _code(page: Path) -> Iterator[str]:
    for block, inline in CODE.findall(page.read_text()):
        yield block or inline


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    # What has changed is named in the change log as it was then.
    if page.name == "CHANGELOG.md":
        return
    for path in PATH.findall(page.read_text()):
        assert path.startswith(".run/") or any(ROOT.glob(path)), path


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_make_command_has_a_target_and_known_options(page: Path) -> None:
    for code in _code(page):
        for command in MAKE.findall(code):
            target, *rest = command.replace(" -s", "", 1).split(maxsplit=1)
            assert target in TARGETS, command
            for variable in re.findall(r"([A-Z]+)=", rest[0] if rest else ""):
                assert re.search(rf"^{variable} = |\$\({variable}\)", MAKEFILE, re.MULTILINE), command
            _hold_options(target, rest[0] if rest else "")


def _hold_options(target: str, variables: str) -> None:
    arguments = re.search(r'ARGS="?([^"]*)', variables)
    options = re.findall(r"(?<!\S)--?[a-z][\w-]*", arguments[1]) if arguments else []
    for option in options:
        if target.startswith("test") and option in OPTIONS_OF_PYTEST:
            continue
        if target == "lock":
            continue
        sources = (ROOT / PACKAGES[target]).rglob("*.py")
        assert any(f'"{option}"' in path.read_text() for path in sources), f"make {target}: {option}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_module_that_is_to_be_run_is_one_and_has_its_options(page: Path) -> None:
    for code in _code(page):
        for module, arguments in MODULE.findall(code):
            if module in MODULES_OF_OTHERS:
                continue
            path = ROOT / module.replace(".", "/")
            sources = [path.with_suffix(".py")] if path.with_suffix(".py").exists() else [*path.glob("*.py")]
            assert sources, module
            for option in set(re.findall(r"--[a-z-]+", arguments)) - {"--help"}:
                assert any(f'"{option}"' in source.read_text() for source in sources), f"{module} {option}"


def test_every_decision_is_in_the_index_with_its_four_headings_and_no_more_than_60_lines() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(folder.glob("0*.md"))
    listed = re.findall(
        r"^- \[(\d{4})\]\(([\w-]+\.md)\) (.+)$", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(name for _, name, _ in listed) == [record.name for record in records]
    for number, name, title in listed:
        lines = (folder / name).read_text().splitlines()
        headings = [line[3:] for line in lines if line.startswith("## ")]
        assert lines[0] == f"# {number} {title}", name
        assert headings == ["Context", "Decision", "Consequences", "Measured"], name
        assert len(lines) <= 60, name


# What runs each target that a document names: a test, or why none does.
RUN_BY = {
    "run": "tests/e2e/test_readme.py",
    **dict.fromkeys(
        ("token", "url", "status", "stop", "try", "order", "psql", "migrate"), "tests/e2e/test_readme.py"
    ),
    "logs": "it is `tail` on the files that tests/unit/test_surroundings.py reads",
    "listen": "tests/e2e/test_watch.py",
    "shell": "it waits for a person",
    "demo": "tests/e2e/test_demo.py",
    "replay": "tests/e2e/test_replay.py",
    "convert": "tests/unit/test_replay_recordings.py",
    "client": "tests/e2e/test_generated_clients.py",
    "twin": "tests/unit/test_client_twin.py",
    "revoke": "tests/e2e/test_bad_input_tokens.py",
    "backup": "tests/integration/test_backup.py",
    "restore": "tests/integration/test_backup.py",
    "bench": "tests/e2e/test_bench.py",
    "growth": "tests/growth/test_growth.py",
    "fuzz": "tests/e2e/test_fuzz.py",
    "conform": "tests/e2e/test_conform.py",
    "faults": "tests/faults/test_short.py",
    "overload": "minutes of more load than two cores can take: by hand, before a release",
    "soak": "ten minutes: by hand, before a release",
    "crowd": "ten thousand sockets: by hand, before a release",
    "console-soak": "ten minutes: by hand, before a release",
    "profile": "measures for half a minute: by hand",
    "bench-against": "two checkouts and ten minutes: by hand",
    "test": "these are the tests",
    "test-long": "these are the tests, in their long form",
    "test-by-hand": "most of an hour",
    "check": "it checks this file too; CI runs it first",
    "help": "it prints the Makefile's sentences",
    "picture": "it draws into docs/",
    "lock": "needs a network, and changes what is pinned",
    "audit": "needs a network",
    "sbom": "tests/unit/test_audit.py",
    "containers": "needs root, a network and five minutes: by hand, before a release",
    "lint-api": "needs npm and a network",
    "secrets": "tests/unit/test_audit.py",  # no secret: a target's name
    "licences": "tests/unit/test_audit.py",
    "clean": "it would remove the environment of the tests",
}


def test_every_make_command_of_the_documents_is_run_by_a_test_or_says_why_not() -> None:
    named = {
        command.replace(" -s", "", 1).split()[0]
        for page in PAGES
        for code in _code(page)
        for command in MAKE.findall(code)
    }
    assert named <= set(RUN_BY)
    for target, by in RUN_BY.items():
        assert not by.startswith("tests/") or (ROOT / by).exists(), target


def test_every_figure_of_the_runbook_is_one_of_the_metrics() -> None:
    # What a client of Prometheus adds to a histogram's or a counter's name.
    endings = re.compile(r"_(total|bucket|count|sum)$")
    source = "".join(path.read_text() for path in (ROOT / "web").rglob("*.py"))
    figures = set(re.findall(r"`(weelo_[a-z_]*[a-z])[`{]", (ROOT / "docs/runbook.md").read_text()))
    assert len(figures) > 10
    for figure in figures:
        assert f'"{figure}' in source or f'"{endings.sub("", figure)}' in source, figure


def test_every_dependency_has_its_reason() -> None:
    record = (ROOT / "docs/decisions/0046-dependencies.md").read_text()
    named = set(re.findall(r"[a-z][a-z0-9-]+", record))
    for requirements in ROOT.glob("requirements*.in"):
        for line in requirements.read_text().splitlines():
            if found := re.match(r"[a-z][a-z0-9-]*", line):
                assert found[0] in named, f"{requirements.name}: {found[0]}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_command_is_cut_by_the_end_of_a_line(page: Path) -> None:
    # A command that goes over two lines would be found by none of these tests.
    if page.name == "CHANGELOG.md":
        return
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if line.count("`") % 2] == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("order",), "name the order: make order ID="),
        (("logs", "LINE=nobody"), "LINE is web, orders, sweeps, beat or flower"),
        (("client",), "name the language: make client LANG="),
        (("backup",), "make backup FILE=weelo.dump"),
        (("restore",), "make restore FILE=weelo.dump"),
    ],
)
def test_a_command_that_lacks_something_says_so_before_it_installs_or_waits(
    command: tuple[str, ...], sentence: str
) -> None:
    answer = subprocess.run(
        ["make", "--silent", *command, "VENV=/nowhere/venv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert sentence in answer.stderr
