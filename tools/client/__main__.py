"""`make client LANG=typescript`: a client for an app, generated from the document that the system publishes.

Nothing needs to run. `LANG=postman` makes a collection for Postman and Bruno.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.client import collection
from tools.client.generators import LANGUAGES
from web import create_app
from web.documents import openapi

POSTMAN = "postman"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make client", description=__doc__)
    parser.add_argument(
        "language", choices=[*LANGUAGES, POSTMAN], metavar=f"LANG={'|'.join([*LANGUAGES, POSTMAN])}"
    )
    parser.add_argument("--to", type=Path)
    options = parser.parse_args(arguments)
    to: Path = (options.to or Path(".run") / "clients" / options.language).resolve()
    to.mkdir(parents=True, exist_ok=True)
    document = openapi.document(create_app())
    if options.language == POSTMAN:
        text = json.dumps(collection.of(document), indent=2, ensure_ascii=False)
        (to / "weelo.postman_collection.json").write_text(text)
    else:
        try:
            _generate(options.language, document, to)
        except subprocess.CalledProcessError as failed:
            print(f"weelo: {failed.cmd[0]} failed; it says why above.", file=sys.stderr)
            return 1
    print(f"The {options.language} client is in {to}")
    return 0


def _generate(language: str, document: object, to: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "openapi.json"
        path.write_text(json.dumps(document))
        LANGUAGES[language](path, to)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
