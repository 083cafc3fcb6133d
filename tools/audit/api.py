"""`make lint-api`: both published documents under Spectral's rules; nothing may be found.

Spectral comes from npm, is pinned, runs none of its packages' install scripts, and lies under `.run/`.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from web import create_app
from web.documents import asyncapi, openapi

ROOT = Path(__file__).parents[2]
RULES = ROOT / "tools" / "audit"
SCRATCH = ROOT / ".run" / "spectral"
VERSION = "6.16.3"
SPECTRAL = SCRATCH / VERSION / "node_modules" / ".bin" / "spectral"
NO_NPM = "weelo: npm is missing: apt-get install npm (Node 20 or newer); nothing was checked."


def install(npm: str) -> None:
    """Puts Spectral into the scratch folder, unless it is there. Raises ``CalledProcessError``."""
    if SPECTRAL.exists():
        return
    target = SCRATCH / VERSION
    target.mkdir(parents=True, exist_ok=True)
    package = f"@stoplight/spectral-cli@{VERSION}"
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")
    subprocess.run([npm, "install", *quiet, "--prefix", str(target), package], check=True)


def lint(name: str, document: object) -> bool:
    """Whether Spectral finds nothing, not even a hint; it says itself what it finds."""
    (SCRATCH / f"{name}.json").write_text(json.dumps(document))
    rules = RULES / f"spectral-{name}.yaml"
    command = [str(SPECTRAL), "lint", f"{name}.json", "--ruleset", str(rules), "--fail-severity", "hint"]
    print(f"{name}.json, {rules.name}: ", end="", flush=True)
    return subprocess.run(command, cwd=SCRATCH).returncode == 0


def main() -> int:
    npm = shutil.which("npm")
    if npm is None:
        print(NO_NPM, file=sys.stderr)
        return 1
    try:
        install(npm)
    except subprocess.CalledProcessError:
        print("weelo: Spectral could not be installed; npm says why above.", file=sys.stderr)
        return 1
    documents = {
        "openapi": openapi.document(create_app()),
        "asyncapi": asyncapi.document("localhost", secure=False),
    }
    found = [name for name, document in documents.items() if not lint(name, document)]
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
