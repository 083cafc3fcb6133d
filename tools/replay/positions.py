"""What a driver's phone reports of its position, often enough and not too often."""

from tools.replay.cabs import Whereabouts
from tools.replay.clock import Clock
from tools.replay.places import Place
from tools.replay.sockets import Socket

# The server takes 100 messages in 10 s from a socket; a position a second leaves room for the rest.
POSITION_EVERY_S = 1.0
# On a trip each position also goes to the customer; every other second is what a map needs.
TRIP_POSITION_EVERY_S = 2.0
# A driver is forgotten after 60 s of silence; a parked cab says this often that it is still there.
HEARTBEAT_EVERY_S = 15.0


class Positions:
    """Sends a position when it has changed, and a heartbeat when it has not for a while.

    Without a time of its own: the recorded one is years ago, and the server's is the present.
    """

    def __init__(self, clock: Clock, whereabouts: Whereabouts, socket: Socket) -> None:
        self._clock = clock
        self._whereabouts = whereabouts
        self._socket = socket
        self._said: tuple[Place | None, float] = (None, 0.0)

    async def say(self) -> None:
        """Reports the position, if there is anything to report."""
        wall, (said, at) = self._clock.wall(), self._said
        place = self._whereabouts.at(self._clock.now())
        if place != said:
            sent = await self._socket.send("update_location", place.json())
        elif wall - at >= HEARTBEAT_EVERY_S:
            sent = await self._socket.send("heartbeat", {})
        else:
            return
        if sent:
            self._said = (place, wall)
