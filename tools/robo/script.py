"""What the values of `X-Weelo-Test` mean."""

import re
from dataclasses import dataclass

ALLOWED = "accept=SECONDS,drive=fast (0 to 55), decline-all, give-back, no-supply, expire"
ACCEPT = re.compile(r"accept=([0-9]{1,2}),drive=fast")
# An offer is open for 60 s by default.
LATEST_ACCEPT_S = 55
OTHERS = frozenset({"decline-all", "give-back", "no-supply", "expire"})
# How they end is not in the hands of the robo drivers while somebody else may accept.
ALONE = frozenset({"decline-all", "no-supply", "expire"})


class UnknownScript(ValueError):
    """The text names what is allowed."""


@dataclass(frozen=True)
class Script:
    """What the robo drivers of an order do; those who accept wait ``after_s`` seconds before."""

    act: str
    after_s: int = 0

    @property
    def has_drivers(self) -> bool:
        return self.act != "no-supply"

    @property
    def wants_nobody_else(self) -> bool:
        return self.act in ALONE


def read(value: str) -> Script:
    """Raises ``UnknownScript``."""
    wanted = value.strip().lower().replace(" ", "")
    if wanted in OTHERS:
        return Script(wanted)
    accept = ACCEPT.fullmatch(wanted)
    if accept is None or int(accept[1]) > LATEST_ACCEPT_S:
        raise UnknownScript(f"must be one of: {ALLOWED}")
    return Script("accept", int(accept[1]))
