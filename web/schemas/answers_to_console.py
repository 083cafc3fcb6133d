"""What the console is answered beside what operators are: in development only."""

from typing import Literal

from pydantic import Field

from web.schemas.answers import Count, Moment, Shape


class PlayTokens(Shape):
    ops: str
    customer: str
    driver: str


class Tokens(Shape):
    tokens: PlayTokens
    expiresAt: Moment


class City(Shape):
    """The simulated city; without one, or while it starts, its counts are 0."""

    state: Literal["stopped", "starting", "running", "stopping"]
    clock: str | None = Field(
        pattern=r"^\d\d:\d\d$", examples=["07:30"], description="The time of its own day."
    )
    drivers: Count = Field(description="Online.")
    busy: Count = Field(description="Of them, with a trip.")
    orders: Count
    searching: Count
    underWay: Count
    filled: Count
    expired: Count
