"""Shows the frames of one person's socket as they arrive. Usage: python -m tools.watch.listen ROLE SUB

Nothing is acknowledged, so the person's own app gets every frame still; but the system keeps one socket for
each person, so while this one is open the app's is closed with 4409.
"""

import json
import os
import sys
from datetime import datetime

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tools.replay.tokens import Tokens

# A driver who says nothing for 60 s gets no offers.
HEARTBEAT_S = 20.0


def main() -> int:
    role, sub = sys.argv[1:]
    address = f"ws://127.0.0.1:{os.environ.get('PORT') or 8000}/api/v1/ws"
    bearer = Tokens().bearer(sub, role)
    try:
        return _listen(address, bearer)
    except InvalidStatus as refused:
        print(f"{address} answers {refused.response.status_code}: {refused.response.body!r}", file=sys.stderr)
    except OSError as error:
        print(f"Nothing answers at {address}: start the system with `make run` ({error}).", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


def _listen(address: str, bearer: str) -> int:
    with connect(address, additional_headers={"Authorization": bearer}, proxy=None) as socket:
        while True:
            try:
                frame = json.loads(socket.recv(timeout=HEARTBEAT_S))
            except TimeoutError:
                socket.send('{"type": "heartbeat"}')
                continue
            except ConnectionClosed as closed:
                print(f"closed: {closed}", file=sys.stderr)
                return 1
            data = json.dumps(frame["data"], ensure_ascii=False)
            print(f"{datetime.now():%H:%M:%S.%f}"[:-3], frame["type"], f"({frame['id']})", data, flush=True)


if __name__ == "__main__":
    sys.exit(main())
