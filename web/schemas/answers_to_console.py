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


class Noted(Shape):
    """A call or a frame; what has no meaning for its kind is left out."""

    id: str = Field(description="Grows; for `after`.")
    kind: Literal["call", "received", "sent", "closed"] = Field(
        description="An HTTP call, a frame from the app, a frame to it, or the end of a socket."
    )
    at: Moment
    title: str = Field(default="", description="Method and path, type of the frame, or why a socket ended.")
    status: str = Field(default="", description="Of the answer, or the code of the close.")
    ms: str = Field(default="", description="Milliseconds to the answer.")
    error: str = Field(default="", description="Code and message of a refusal.")
    requestId: str = Field(default="", description="The answer's `X-Request-ID`.")
    text: str = Field(default="", description="The body or the frame, without what is private; cut.")


class Watched(Shape):
    entries: list[Noted] = Field(description="At most 300.")
