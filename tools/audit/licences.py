"""`make licences`: the licence of every package that is pinned, as its own metadata names it."""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

# What Apache-2.0 code that is run as a service may not stand on. The lesser one is no concern: its
# packages are used as they are.
REFUSED = re.compile(r"\b(?:A?GPL|GNU General|GNU Affero|SSPL|BUSL)", re.IGNORECASE)


def pinned(name: str) -> dict[str, str]:
    """Package and version of everything in a requirements file."""
    return dict(PINNED.findall((ROOT / name).read_text()))


def licence(package: str) -> str:
    """What an installed package says of itself; "" if it says nothing."""
    try:
        said = metadata(package)
    except PackageNotFoundError:
        return "(not for this platform)"
    # Types name only what the standard for metadata requires; as JSON it is a plain dictionary.
    expression, free = (str(said.json.get(name, "")) for name in ("license_expression", "license"))
    listed = [name for name in said.get_all("Classifier") or [] if name.startswith("License")]
    classified = ", ".join(name.rpartition(" :: ")[2] for name in listed)
    return expression or classified or free.strip().partition("\n")[0][:60]


def refused(text: str) -> bool:
    """Whether nobody named a licence, or it is one that we cannot take."""
    return not text or bool(REFUSED.search(text))


def main() -> int:
    failed = False
    for name in ("requirements.txt", "requirements-local.txt", "requirements-stores.txt"):
        print(f"{name}:")
        for package, version in pinned(name).items():
            said = licence(package)
            failed |= refused(said)
            print(f"  {'!' if refused(said) else ' '} {package} {version}: {said or 'no licence named'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
