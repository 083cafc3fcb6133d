"""The calls and frames of people whom a developer watches. Raises ``redis.RedisError`` throughout."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from models.live import commands, mailbox

# The newest entries of a person; with at most 2 KB each they take 600 KB.
KEPT = 300
SECONDS = 600
# Published here is who is watched. No person is called so: theirs begin with a role and a colon.
EVERYBODY = "watched"

Entry: TypeAlias = Mapping[str, str]


def announce(person: str) -> None:
    """Has every web process watch this person (``driver:{id}`` or ``customer:{id}``) for a minute."""
    commands().publish(mailbox.channel(EVERYBODY), person)


def append(entries: Sequence[tuple[str, Entry]]) -> None:
    """Keeps entries, each with the person whose it is."""
    pipeline = commands().pipeline(transaction=False)
    for person, entry in entries:
        fields: dict[Any, Any] = {**entry}
        pipeline.xadd(f"watched:{person}", fields, maxlen=KEPT, approximate=False)
        pipeline.expire(f"watched:{person}", SECONDS)
    pipeline.execute()


def since(person: str, after: str) -> list[tuple[str, Entry]]:
    """What was kept after the entry with this id, or everything, oldest first; each with its id."""
    found = commands().xrange(f"watched:{person}", min=f"({after}" if after else "-")
    return cast("list[tuple[str, Entry]]", found)
