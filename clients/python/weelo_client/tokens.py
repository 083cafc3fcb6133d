"""What a token says of itself. The signature is the server's to check."""

import base64
import json

from weelo_client.results import WrongRole


def hold(token: str, role: str) -> None:
    """Raises ``WrongRole`` if the token names another role; the server refuses one that cannot be read."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = claims["role"]
    except (IndexError, KeyError, TypeError, ValueError):
        return
    if found != role:
        raise WrongRole(found, role)
