"""The two apps for asyncio: hundreds of them share one thread and one pool of connections.

The modules of the same names in the folder above, which block, are made of these by `make twin`.
"""

from weelo_client.aio.customer import AsyncCustomer
from weelo_client.aio.driver import AsyncDriver
from weelo_client.aio.events import AsyncEvents

__all__ = ["AsyncCustomer", "AsyncDriver", "AsyncEvents"]
