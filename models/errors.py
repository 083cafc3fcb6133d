"""The domain's errors: a code, a default message, and whether a repeat can help. No HTTP here."""

from typing import Any


class DomainError(Exception):
    """Something that was asked for and cannot be done.

    ``code`` is the contract's; ``data`` travels to the client as it is.
    """

    code = "INTERNAL_ERROR"
    message = "Something went wrong on our side."

    def __init__(self, message: str | None = None, data: dict[str, Any] | None = None) -> None:
        self.message = message or type(self).message
        self.data = data
        super().__init__(self.message)


class ConcurrentRequest(DomainError):
    code = "CONCURRENT_REQUEST"
    message = "Another order of yours is being created right now. Try again in a moment."


class ActiveOrderExists(DomainError):
    code = "ACTIVE_ORDER_EXISTS"
    message = "You have an order that is still searching for trucks. Cancel it or wait for its end."


class IdempotencyKeyReused(DomainError):
    code = "IDEMPOTENCY_KEY_REUSED"
    message = "This idempotency key was used with another payload. Use a new key."


class RateLimitExceeded(DomainError):
    code = "RATE_LIMIT_EXCEEDED"
    message = "Too many orders in a minute."


class ServiceUnavailable(DomainError):
    code = "SERVICE_UNAVAILABLE"
    message = "This could not be stored. Nothing was accepted; send it again with the same key."


class OrderNotFound(DomainError):
    code = "ORDER_NOT_FOUND"
    message = "There is no such order."


class OrderNotCancellable(DomainError):
    code = "ORDER_NOT_CANCELLABLE"
    message = "This order cannot be cancelled any more."


class OrderExpired(DomainError):
    code = "ORDER_EXPIRED"
    message = "The search for this order is over."


class OrderCancelled(DomainError):
    code = "ORDER_CANCELLED"
    message = "The customer has cancelled this order."


class TruckTaken(DomainError):
    code = "TRUCK_TAKEN"
    message = "Another driver was faster."


class NotOffered(DomainError):
    code = "NOT_OFFERED"
    message = "This order was not offered to you."


class DriverBusy(DomainError):
    code = "DRIVER_BUSY"
    message = "You have a running trip. Finish it before you accept another."


class DriverNotRegistered(DomainError):
    code = "DRIVER_NOT_REGISTERED"
    message = "Register with PUT /api/v1/drivers/me first."


class TripNotFound(DomainError):
    code = "TRIP_NOT_FOUND"
    message = "There is no such trip of yours."


class InvalidTransition(DomainError):
    code = "INVALID_TRANSITION"
    message = "This step does not follow from the present state."
