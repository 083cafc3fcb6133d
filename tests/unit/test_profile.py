"""What `make profile` says of a process, from what py-spy writes."""

import xml.etree.ElementTree as ET

import pytest

from tools.bench.profile import OTHER, STAGES, Process, picture, shares, stage_of, table

PUBLISH = "_work (web/admission/batching.py:90);enqueue (tasks/orders.py:108);delay (celery/app/task.py:445)"
HTTP = "handle (gunicorn/workers/base_async.py:48);next (gunicorn/http/parser.py:20)"


@pytest.mark.parametrize(
    ("stack", "stage"),
    [(PUBLISH, "publish the task"), (HTTP, "HTTP"), ("run (gevent/hub.py:647)", OTHER)],
)
def test_a_stack_belongs_to_the_first_stage_it_has_a_frame_of(stack: str, stage: str) -> None:
    assert stage_of(stack) == stage


def test_each_stage_has_its_share_of_the_looks() -> None:
    assert shares([f"{PUBLISH} 30", f"{HTTP} 50", f"{HTTP} 20"]) == {"HTTP": 0.7, "publish the task": 0.3}
    assert shares([]) == {OTHER: 1.0}


def test_each_stage_names_files_that_exist(pytestconfig: pytest.Config) -> None:
    ours = [frame.partition("(")[2] for _, frames in STAGES for frame in frames]
    ours = [path for path in ours if not path.startswith(("celery/", "billiard/", "gunicorn/"))]
    for path in ours:
        assert list(pytestconfig.rootpath.glob(f"{path.rstrip('/')}*")), path


def test_the_table_and_the_picture_have_every_process() -> None:
    processes = [Process("web", {"HTTP": 2.0, "commit": 1.0}), Process("redis", {"redis": 1.0})]
    assert "CPU-ms an order: 4.00" in table(processes)
    assert "web                            3.00   75 %" in table(processes)
    drawn = "".join(ET.fromstring(picture(processes, "a <title>")).itertext())  # noqa: S314
    assert "a <title>" in drawn
    assert "web 3.00" in drawn
    assert "redis 1.00" in drawn
