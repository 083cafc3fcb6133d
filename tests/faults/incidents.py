"""What was done to the system and when it was whole again; the excuse for what took longer meanwhile."""

from collections import Counter
from dataclasses import dataclass, field

# The system has this long to recover after the restart of anything.
RECOVERY_SECONDS = 5.0


@dataclass
class Incident:
    """One fault; times of the monotonic clock, ``healed`` when the restarted part answered again."""

    kind: str
    target: str
    begun: float
    healed: float = float("inf")

    @property
    def outage(self) -> bool:
        """Whether there was no second of what was killed."""
        return self.target in ("postgres", "redis")


@dataclass
class Incidents:
    """All faults of a run."""

    all: list[Incident] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def begin(self, kind: str, target: str, now: float) -> Incident:
        incident = Incident(kind, target, now)
        self.all.append(incident)
        self.kills[kind] += 1
        return incident

    def calm(self, start: float, end: float) -> float:
        """How many seconds between these times no store was away or recovering."""
        total, at = 0.0, start
        spans = sorted((i.begun, i.healed + RECOVERY_SECONDS) for i in self.all if i.outage)
        for begun, healed in spans:
            if healed <= at:
                continue
            if begun >= end:
                break
            total += max(0.0, begun - at)
            at = max(at, healed)
        return total + max(0.0, end - at)

    def forgotten(self, start: float, end: float) -> bool:
        """Whether Redis may have lost something between these times."""
        kinds = ("redis killed", "redis wiped")
        return any(i.kind in kinds and i.begun < end and i.healed > start for i in self.all)

    def recoveries(self, new_201s: list[float], until: float) -> list[tuple[float, str]]:
        """Seconds from each restart to the next new 201, with its kind, the longest first.

        A restart that was followed by another outage before anything could recover is left out.
        """
        found = []
        for incident in self.all:
            healed = incident.healed
            answered = next((at for at in new_201s if at >= healed), until)
            again = any(
                i.outage and i is not incident and i.begun < answered and i.healed > healed for i in self.all
            )
            if healed < until - RECOVERY_SECONDS and not again:
                found.append((answered - healed, incident.kind))
        return sorted(found, reverse=True)
