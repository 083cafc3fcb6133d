"""The environment of others: what our own processes, servers and pip see of it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from models import settings
from models.settings import WRONG_SETTING, Settings
from tests.conftest import ROOT
from tools.local import bootstrap, conditions, surroundings
from tools.local.conditions import Refusal
from tools.local.output import Output
from tools.local.supervisor import HOPELESS_AFTER, Process, Supervisor

STRANGERS = {
    "PGSSLMODE": "require",
    "PGSERVICE": "nowhere",
    "PGHOST": "elsewhere",
    "HOST": "x86_64-conda-linux-gnu",
    "WEB_CONCURRENCY": "",
    "FLOWER_PORT": " ",
    "GUNICORN_CMD_ARGS": "--worker-class sync",
    "CELERY_BROKER_READ_URL": "amqp://x",
    "CELERY_WORKER_CONCURRENCY": "many",
    "BROKER_URL": "amqp://x",
    "PYTHONPATH": "/nowhere",
    "PYTHONHOME": "/nowhere",
    "DJANGO_SETTINGS_MODULE": "theirs",
    "MAKEFLAGS": "-n",
}
WANTED = {
    "CELERY_BROKER_URL": "redis://h",
    "REDIS_URL": "redis://h",
    "HOME": "/home/x",
    "FLOWER_URL_PREFIX": "flower",
    "HTTP_PROXY": "http://proxy",
}


def test_processes_do_not_see_what_means_others() -> None:
    assert surroundings.for_processes(STRANGERS | WANTED, own_postgres=True) == WANTED


def test_libpqs_variables_stay_for_a_postgres_that_was_configured() -> None:
    given = {"PGSSLROOTCERT": "/ca.pem"}
    assert surroundings.for_processes(given, own_postgres=False) == given


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "localhost"])  # noqa: S104
def test_a_host_that_is_an_address_stays(host: str) -> None:
    assert surroundings.for_processes({"HOST": host}, own_postgres=True) == {"HOST": host}


def test_pip_keeps_where_to_fetch_from_and_forgets_where_else_to_install() -> None:
    kept = {"PIP_INDEX_URL": "x", "PIP_CERT": "x", "PIP_CONFIG_FILE": "x", "HTTPS_PROXY": "x"}
    lost = {
        "PIP_TARGET": "x",
        "PIP_PREFIX": "x",
        "PIP_ROOT": "x",
        "PIP_DRY_RUN": "1",
        "PIP_NO_BINARY": ":all:",
    }
    assert surroundings.for_pip(kept | lost | {"PYTHONPATH": "x"}) == kept


def test_servers_see_a_path_and_a_locale() -> None:
    assert surroundings.for_servers().keys() == {"PATH", "LC_ALL"}


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python with these settings and no others."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


OTHERS = {
    "FLOWER_PORT": "tcp://10.0.0.1:5555",
    "PORT": "tcp://10.0.0.2:80",
    "TILE_URL": "nonsense",
    "ORDERS_PER_MINUTE": "x",
}


def test_a_wrong_setting_of_another_process_stops_no_worker() -> None:
    done = run("import tasks; from models import settings; print(settings.load().flower_port)", **OTHERS)
    assert (done.returncode, done.stdout) == (0, "5555\n"), done.stderr


@pytest.mark.parametrize(
    ("process", "setting"),
    [
        ("from models import settings; settings.load().require(settings.OF_WEB)", "PORT"),
        ("import tasks, flowerconfig", "FLOWER_PORT"),
    ],
)
def test_it_ends_the_process_that_reads_it_with_a_sentence(process: str, setting: str) -> None:
    done = run(process, **OTHERS)
    assert done.returncode == WRONG_SETTING, done.stderr
    assert done.stderr.startswith(f"weelo: {setting}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEB_CONCURRENCY", "many"), ("HOST", "x86_64-conda-linux-gnu"), ("PORT", "tcp://1.2.3.4:5")],
)
def test_the_web_server_says_what_gunicorn_would_stumble_over(name: str, value: str) -> None:
    done = run("import runpy; runpy.run_module('server', run_name='__main__')", **{name: value})
    assert done.returncode == WRONG_SETTING, done.stderr
    assert done.stderr.startswith(f"weelo: {name}: ")
    assert done.stderr.count("\n") == 1


def test_an_empty_setting_is_none() -> None:
    empty = dict.fromkeys((name.upper() for name in Settings.model_fields), "")
    done = run("from models import settings; print(settings.load() == settings.Settings())", **empty)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize(
    "url", ["postgresql+asyncpg://weelo:hidden@h/d", "unix://:hidden@/s", "amqp://u:hidden@h//"]
)
def test_every_process_refuses_an_address_with_a_sentence_that_hides_its_password(
    name: str, url: str
) -> None:
    done = run("import tasks", **{name: url})
    assert done.returncode == WRONG_SETTING
    assert done.stderr.startswith(f"weelo: {name}: must be of the form")
    assert "hidden" not in done.stderr + done.stdout


def test_celery_reads_the_address_as_we_do_and_no_other() -> None:
    code = "from tasks import app; print(app.connection_for_read().as_uri(), app.conf.broker_use_ssl)"
    strangers = {"CELERY_BROKER_READ_URL": "amqp://elsewhere", "CELERY_RESULT_BACKEND": "redis://elsewhere"}
    done = run(code, CELERY_BROKER_URL="rediss://h:1/2?ssl_cert_reqs=required", **strangers)
    assert "@h:1/2" in done.stdout, done.stderr
    assert "'ssl_cert_reqs': 'required'" in done.stdout


class Asked:
    """Somebody who has pressed Ctrl-C, or not."""

    def __init__(self, asked: bool) -> None:
        self.asked = asked


@pytest.fixture
def silent() -> Any:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def configured(monkeypatch: pytest.MonkeyPatch, **given: str) -> Settings:
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return settings.Settings()


URLS = [
    ("REDIS_URL", "rediss://:hidden@127.0.0.1:{}/0"),
    ("REDIS_URL", "redis://:hidden@127.0.0.1:{}/0"),
    ("CELERY_BROKER_URL", "rediss://:hidden@127.0.0.1:{}/0"),
    ("DATABASE_URL", "postgresql://u:hidden@127.0.0.1:{}/d?sslmode=require"),
]


@pytest.mark.parametrize(("name", "url"), URLS)
def test_a_start_does_not_wait_for_a_server_that_says_nothing(
    name: str, url: str, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping: Any = Asked(False)
    begun = time.monotonic()
    with pytest.raises(Refusal, match=f"{name} does not work") as refused:
        conditions.refuse_silent_servers(configured(monkeypatch, **{name: url.format(silent)}), stopping)
    assert time.monotonic() - begun < 2 * conditions.STEP_WITHIN
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(("name", "url"), URLS)
def test_ctrl_c_is_handled_meanwhile(
    name: str, url: str, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping: Any = Asked(True)
    begun = time.monotonic()
    with pytest.raises(Refusal, match="stopped"):
        conditions.refuse_silent_servers(configured(monkeypatch, **{name: url.format(silent)}), stopping)
    assert time.monotonic() - begun < conditions.STEP_WITHIN / 2


def supervised(logs: Path, name: str, code: str) -> Supervisor:
    output = Output([name], logs)
    process = Process(name, (sys.executable, "-c", code), dict(os.environ), ROOT, output)
    return Supervisor([process], output)


def tended(supervisor: Supervisor, until: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline:
        supervisor.tend()
        time.sleep(0.02)
    return bool(until())


def test_a_process_with_a_wrong_setting_is_not_started_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = supervised(tmp_path, "flower", f"import sys; sys.exit({WRONG_SETTING})")
    supervisor.start()
    [process] = supervisor._processes
    assert tended(supervisor, lambda: process.given_up, 10)
    assert supervisor.hopeless == ""
    for _ in range(60):
        supervisor.tend()
        time.sleep(0.02)
    assert process.pid is None
    assert capsys.readouterr().out.count("not started again") == 1


@pytest.mark.parametrize("status", [WRONG_SETTING, 1])
def test_a_process_that_the_others_need_and_that_never_runs_ends_the_start(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.local.supervisor.FIRST_PAUSE", 0.01)
    supervisor = supervised(tmp_path, "web", f"import sys; sys.exit({status})")
    supervisor._processes[0]._pause = 0.01
    supervisor.start()
    assert tended(supervisor, lambda: supervisor.hopeless == "web", 20)
    assert supervisor._processes[0].failures == (1 if status == WRONG_SETTING else HOPELESS_AFTER)


def environment_at(venv: Path, named: Path) -> None:
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    (venv / "bin" / "celery").write_text(f"#!{named}/bin/python\nimport celery\n")
    stamp = {"python": bootstrap._python(), "run": bootstrap._fingerprint("run")}
    (venv / "installed.json").write_text(json.dumps(stamp))


def test_an_environment_that_was_moved_or_copied_is_built_again(tmp_path: Path) -> None:
    environment_at(tmp_path / "here", tmp_path / "here")
    environment_at(tmp_path / "moved", tmp_path / "gone")
    environment_at(tmp_path / "copied", tmp_path / "here")
    (tmp_path / "link").symlink_to(tmp_path / "here")
    found = {
        name: bootstrap._installed(tmp_path / name, "run") for name in ("here", "link", "moved", "copied")
    }
    assert found == {"here": True, "link": True, "moved": False, "copied": False}


def test_an_interrupted_installation_of_the_tools_leaves_what_runs_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment_at(tmp_path / "venv", tmp_path / "venv")

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "_pip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.main(tmp_path / "venv", "dev")
    assert bootstrap._installed(tmp_path / "venv", "run")
    assert not bootstrap._installed(tmp_path / "venv", "dev")


def test_an_environment_whose_creation_was_interrupted_is_made_by_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its pyvenv.cfg, its Python takes itself for the base."""
    half = tmp_path / "venv" / "bin" / "python"
    half.parent.mkdir(parents=True)
    (tmp_path / "base").touch()
    half.symlink_to(tmp_path / "base")
    monkeypatch.setattr(sys, "_base_executable", str(half))
    called: list[Path] = []

    def made(command: list[Path], **_: object) -> "subprocess.CompletedProcess[str]":
        called.append(command[0])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("subprocess.run", made)
    bootstrap._create(tmp_path / "venv", 0)
    assert called == [tmp_path / "base"]


def test_every_line_says_when_it_was_printed_and_by_whom(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = Output(["web", "orders"], tmp_path)
    output.say("first\nsecond")
    read, write = os.pipe()
    relay = output.relay("web", os.fdopen(read, "rb"))
    os.write(write, "one €\n\xff\n".encode("latin-1", "replace"))
    os.close(write)
    relay.join(5)
    output.plain("\nto copy")
    lines = capfd.readouterr().out.split("\n")
    assert all(re.match(r"\d\d:\d\d:\d\d (weelo  |web    )\| ", line) for line in lines[:4])
    assert [line.partition("| ")[2] for line in lines[:4]] == ["first", "second", "one ?", "\ufffd"]
    assert lines[4:] == ["", "to copy", ""]


def test_ordinary_lines_are_in_the_file_of_their_process_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = Output(["web"], tmp_path)
    read, write = os.pipe()
    relay = output.relay("web", os.fdopen(read, "rb"))
    written = [
        "12:00 [info     ] order placed",
        '{"event":"x","level":"info"}',
        "12:00 [warning  ] broker away",
    ]
    os.write(write, "\n".join(written).encode())
    os.close(write)
    relay.join(5)
    assert (tmp_path / "web.log").read_text().splitlines() == written
    assert [line.partition("| ")[2] for line in capfd.readouterr().out.splitlines()] == written[2:]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system lists no handlers")
def test_a_sigint_to_make_alone_is_noticed_by_what_it_has_started(tmp_path: Path) -> None:
    code = (
        "import time; from tools.local.stopping import Stopping; s = Stopping(); print('began', flush=True)"
    )
    (tmp_path / "waits.py").write_text(code + "\nwhile not s.asked: time.sleep(0.05)\nprint('asked')\n")
    (tmp_path / "Makefile").write_text(f"run:\n\t@exec {sys.executable} waits.py\n")
    with subprocess.Popen(
        ["make", "run"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    ) as make:
        assert make.stdout
        assert make.stdout.readline() == b"began\n"
        make.send_signal(signal.SIGINT)
        assert make.communicate(timeout=10)[0] == b"asked\n"


def test_a_reader_of_the_output_that_goes_away_ends_the_launcher_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        output = Output(["web"], tmp_path)
        os.close(read)
        output.say("nobody reads this")
        assert output.broken
        output.say("nor this")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), gone.fileno())
