"""`make sbom`: what the image is made of, every pinned package with its hashes, as CycloneDX 1.5."""

import json
import re
import sys
from typing import Any

from tools.audit.licences import ROOT

# A pin and, on the lines that follow, its hashes.
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*(?:\n +.*)*)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def components() -> list[dict[str, Any]]:
    """Each pin of requirements.txt, with the hashes of all its wheels."""
    return [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "properties": [{"name": "wheel:sha256", "value": value} for value in HASH.findall(rest)],
        }
        for name, version, rest in PIN.findall((ROOT / "requirements.txt").read_text())
    ]


def main() -> None:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components()}
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
