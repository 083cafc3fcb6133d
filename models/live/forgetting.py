"""What Redis knows of a person who is erased. Raises ``redis.RedisError`` throughout."""

from collections.abc import Collection, Sequence

from models.live import commands, idempotency, order_cache

# Commands in one round trip.
TOGETHER = 100


def answers(customer_id: str, keys: Sequence[str]) -> None:
    """Forgets the answers under these idempotency keys."""
    for first in range(0, len(keys), TOGETHER):
        part = keys[first : first + TOGETHER]
        commands().delete(*(idempotency.name(customer_id, key) for key in part))


def orders(order_ids: Sequence[str]) -> None:
    """Forgets the views of these orders."""
    for first in range(0, len(order_ids), TOGETHER):
        order_cache.drop(order_ids[first : first + TOGETHER])


def mailboxes(people: Sequence[str]) -> None:
    """Deletes mailboxes and what a developer watched; a socket finds its own as after a loss of Redis."""
    for person in people:
        commands().delete(f"mailbox:{person}", f"mailbox:{person}:state", f"watched:{person}")


def messages(people: Sequence[str], words: Collection[str]) -> None:
    """Removes the messages in which one of these words is from these people's mailboxes."""
    for first in range(0, len(people), TOGETHER):
        boxes = [f"mailbox:{person}" for person in people[first : first + TOGETHER]]
        with commands().pipeline(transaction=False) as pipeline:
            for box in boxes:
                pipeline.xrange(box)
            found = pipeline.execute()
        for box, entries in zip(boxes, found, strict=True):
            named = [entry for entry, fields in entries if any(word in fields["body"] for word in words)]
            if named:
                commands().xdel(box, *named)
