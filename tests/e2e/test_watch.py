"""`make listen`: what an app would get, on a terminal."""

import subprocess
import sys
from urllib.parse import urlsplit

from tests.conftest import ROOT
from tests.scenes import body
from tests.system import Person, System, on_duty


def test_listening_shows_an_offer_as_it_arrives(system: System, name: str) -> None:
    on_duty(system.urls[0], name)
    port = str(urlsplit(system.urls[1]).port)
    with subprocess.Popen(
        [sys.executable, "-m", "tools.watch.listen", "driver", name],
        cwd=ROOT,
        env=system.environment | {"PORT": port, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as listening:
        assert listening.stdout
        assert " connected (" in listening.stdout.readline()
        order = Person(system.urls[0], "customer", name).order(body()).json()["data"]["order"]
        offer = listening.stdout.readline()
        listening.terminate()
    assert " new_broadcast (" in offer
    assert order["id"] in offer
