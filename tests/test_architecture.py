"""What the four rules say of the code: directions, queues, beat, routes and keys."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

import celeryconfig
from models import live
from models.tables.all import TABLES
from tasks import app
from tests.conftest import ROOT
from tools.local.procfile import read as read_procfile
from web import create_app

# Of keys, to tell them from other texts with a colon.
FIRST_WORDS = {"order", "idempotency", "drivers", "mailbox", "alive", "orders", "reads"}
LAYERS = ["models", "workers", "tasks", "web"]
PRODUCT = [*LAYERS, "server"]

# Where the inner parts of libraries may be used: patches, each with its reason.
PATCHES = ("tasks/celery_patches/", "server/", "web/socket/websocket.py")
# Private by its name only: documented by the standard library and SQLAlchemy.
DOCUMENTED = {"_asdict", "_replace", "_fields", "_mapping", "_typeshed"}
# Functions of workers that are given a function: they run it for rows, and it is one of workers or web.
TAKE_FUNCTIONS = {"apart", "readable", "_batches"}


def sources(*folders: str) -> list[Path]:
    return [
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "versions" not in path.parts
    ]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_run_only_to_the_right(layer: str) -> None:
    to_the_left = set(LAYERS[LAYERS.index(layer) + 1 :])
    for path in sources(layer):
        assert not imported(path) & to_the_left, path


def test_workers_know_neither_celery_nor_flask() -> None:
    for path in sources("workers", "models"):
        assert not imported(path) & {"celery", "flask", "kombu"}, path


def parsed(*folders: str) -> dict[str, ast.Module]:
    """The modules by their paths from the root."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in sorted(sources(*folders))}


def test_no_worker_calls_back_into_tasks() -> None:
    """A function that is given another one, or has one in a field, could be made to call a task."""
    found = set()
    for tree in parsed("workers").values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                written = [
                    ast.unparse(parameter.annotation) for parameter in parameters if parameter.annotation
                ]
                found |= {node.name for annotation in written if "Callable" in annotation}
            elif isinstance(node, ast.ClassDef):
                fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
                found |= {node.name for field in fields if "Callable" in ast.unparse(field.annotation)}
    assert found == TAKE_FUNCTIONS


def ours(trees: dict[str, ast.Module]) -> set[str]:
    """Private names that these modules define: variables, fields, functions, classes."""
    defined = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                defined.add(node.id if isinstance(node, ast.Name) else node.attr)
    return {name for name in defined if name.startswith("_")}


def private_uses(tree: ast.Module) -> set[str]:
    """Private names that a module reads from something, imports, or asks for by text."""
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Store):
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            used |= {*(node.module or "").split("."), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr"):
            used |= {
                ast.literal_eval(argument)
                for argument in node.args[1:2]
                if isinstance(argument, ast.Constant)
            }
    return {name for name in used if re.match("_[a-z]", name)} - DOCUMENTED


def test_private_attributes_of_libraries_are_used_in_patches_only() -> None:
    trees = parsed(*PRODUCT)
    defined = ours(trees)
    found = {path: names for path, tree in trees.items() if (names := private_uses(tree) - defined)}
    assert {path: names for path, names in found.items() if not path.startswith(PATCHES)} == {}
    # It does see them.
    assert "_info" in found["tasks/celery_patches/broker.py"]


def aliases(tree: ast.Module) -> list[str]:
    """Module-level names for attributes of an object that the module makes, but for settings."""
    made, found = set(), []
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            if isinstance(node.value, ast.Call) and not ast.unparse(node.value).startswith("settings."):
                made |= names
            elif isinstance(node.value, ast.Attribute) and ast.unparse(node.value.value) in made:
                found.append(ast.unparse(node))
    return found


def test_no_module_gives_a_bound_method_as_its_own_function() -> None:
    assert aliases(ast.parse("_x = X()\ntake = _x.take")) == ["take = _x.take"]
    found = {path: names for path, tree in parsed(*PRODUCT).items() if (names := aliases(tree))}
    assert found == {}


def test_a_class_name_has_one_meaning() -> None:
    where: dict[str, list[str]] = {}
    for path, tree in parsed(*PRODUCT).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                where.setdefault(node.name, []).append(path)
    twice = {name: paths for name, paths in where.items() if len(paths) > 1}
    assert twice == {}


def test_only_the_settings_read_the_environment() -> None:
    for path in [*sources(*LAYERS), ROOT / "gunicornconfig.py"]:
        if path != ROOT / "models/settings.py":
            assert not re.search(r"os\.environ|getenv", path.read_text()), path


def test_the_top_of_web_reads_as_a_table_of_contents() -> None:
    """Circles and directions among its rooms are import-linter's (pyproject.toml)."""
    entries = {path.name for path in (ROOT / "web").iterdir()} - {"__pycache__"}
    assert len(entries) <= 16, sorted(entries)


def test_no_import_hides_in_a_function() -> None:
    for path in sources(*LAYERS, "tools", "clients"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
                assert not inside, f"{path}: {node.name}"


def test_the_python_client_can_be_installed_alone() -> None:
    project = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=]", name)[0] for name in project["dependencies"]}
    used = {name for path in sources("clients/python/weelo_client") for name in imported(path)}
    assert used - sys.stdlib_module_names == declared | {"weelo_client"}


def test_the_image_has_every_package_of_ours_that_its_processes_import() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    present = {name.split("/")[0] for names in copied for name in names.split()}
    ours = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    needed = {name for path in sources(*LAYERS) for name in imported(path)} & ours
    assert needed <= present
    ignored = (ROOT / ".dockerignore").read_text()
    assert all(f"\n!{name}" in ignored for name in needed)


def test_every_routed_queue_has_a_worker_in_the_procfile() -> None:
    routed = {route["queue"] for route in celeryconfig.task_routes.values()} | {
        celeryconfig.task_default_queue
    }
    commands = [" ".join(words) for words in read_procfile(ROOT / "Procfile").values()]
    consumed = {
        queue
        for command in commands
        for found in re.findall(r"-Q (\S+)", command)
        for queue in found.split(",")
    }
    assert routed == consumed


def test_every_beat_entry_is_a_registered_task() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in celeryconfig.beat_schedule.values()} <= set(app.tasks)


def test_no_task_waits_for_an_eta() -> None:
    for path in sources(*LAYERS):
        assert not re.search(r"countdown=|eta=", path.read_text()), path


def test_every_route_says_who_may_call_it() -> None:
    views = create_app().view_functions
    undeclared = [name for name, view in views.items() if not hasattr(view, "roles")]
    assert undeclared == []


def test_every_route_is_declared_for_the_documents() -> None:
    views = create_app().view_functions
    assert [name for name, view in views.items() if not hasattr(view, "operation")] == []


def test_every_view_says_in_a_sentence_what_it_does() -> None:
    views = create_app().view_functions
    assert [name for name, view in views.items() if not (view.__doc__ or "").strip()] == []


def test_every_key_stands_in_the_key_table() -> None:
    table = re.findall(r"`([a-z:{}_*]+)`", live.__doc__ or "")
    known = {re.sub(r"\{[a-z]+\}|\*", "", key) for key in table if ":" in key}
    for path in [*sources(*LAYERS), *(ROOT / "models/live/lua").glob("*.lua")]:
        for key in re.findall(r"""f?["']([a-z]+(?::[a-z]+)*:)(?:\{|["'])""", path.read_text()):
            if key.split(":")[0] in FIRST_WORDS:
                assert any(prefix.startswith(key) or key.startswith(prefix) for prefix in known), (
                    f"{path}: {key}"
                )


def test_every_key_has_a_time_to_live_or_a_reason() -> None:
    rows = [line.split("|") for line in (live.__doc__ or "").splitlines() if line.startswith("| `")]
    assert len(rows) >= 10
    for row in rows:
        assert re.search(r"\d+ s|none: \w+|limits' own|60 s", row[3]), row


def test_the_record_of_retention_says_what_ends_each_table_and_each_key_without_a_time_to_live() -> None:
    text = (ROOT / "docs/decisions/0047-retention.md").read_text()
    named = dict(re.findall(r"^\| `([a-z_:{}]+)` \| (.+) \|$", text, re.MULTILINE))
    keys = re.findall(r"^\| `([^`]+)` \|[^|]*\| none", live.__doc__ or "", re.MULTILINE)
    assert set(named) == {table.name for table in TABLES} | set(keys)
