"""The domain's errors: a code, a default message, and what the app should do. No HTTP here."""

from typing import Any


class DomainError(Exception):
    """Something that was asked for and cannot be done.

    ``code`` is the contract's; ``data`` travels to the client as it is; ``advice`` is for authors of
    apps, and is part of the documents.
    """

    code = "INTERNAL_ERROR"
    message = "Something went wrong on our side."
    advice = "Try again later with the same key; tell support the request's id."

    def __init__(self, message: str | None = None, data: dict[str, Any] | None = None) -> None:
        self.message = message or type(self).message
        self.data = data
        super().__init__(self.message)


class ConcurrentRequest(DomainError):
    code = "CONCURRENT_REQUEST"
    message = "Another order of yours is being created right now. Try again in a moment."
    advice = "Send the same request with the same key again after `Retry-After`."


class ActiveOrderExists(DomainError):
    code = "ACTIVE_ORDER_EXISTS"
    message = "You have an order that is still searching for trucks. Cancel it or wait for its end."
    advice = "Show the order named in `data.activeOrderId`."


class IdempotencyKeyReused(DomainError):
    code = "IDEMPOTENCY_KEY_REUSED"
    message = "This idempotency key was used with another payload. Use a new key."
    advice = "A mistake in the app: make a new key for every new order."


class RateLimitExceeded(DomainError):
    code = "RATE_LIMIT_EXCEEDED"
    message = "Too many orders in a minute."
    advice = "Wait for `Retry-After`, then send the same request with the same key."


class ServiceUnavailable(DomainError):
    code = "SERVICE_UNAVAILABLE"
    message = "This could not be stored. Nothing was accepted; send it again with the same key."
    advice = "Send the same request with the same key again after `Retry-After`."


class OrderNotFound(DomainError):
    code = "ORDER_NOT_FOUND"
    message = "There is no such order."
    advice = "Forget the id. It is wrong, or the order is somebody else's."


class OrderNotCancellable(DomainError):
    code = "ORDER_NOT_CANCELLABLE"
    message = "This order cannot be cancelled any more."
    advice = "Read the order and show its present state."


class OrderExpired(DomainError):
    code = "ORDER_EXPIRED"
    message = "The search for this order is over."
    advice = "Take the offer off the screen."


class OrderCancelled(DomainError):
    code = "ORDER_CANCELLED"
    message = "The customer has cancelled this order."
    advice = "Take the order off the screen."


class TruckTaken(DomainError):
    code = "TRUCK_TAKEN"
    message = "Another driver was faster."
    advice = "Take the offer off the screen."


class NotOffered(DomainError):
    code = "NOT_OFFERED"
    message = "This order was not offered to you."
    advice = "Read the open offers again."


class DriverBusy(DomainError):
    code = "DRIVER_BUSY"
    message = "You have a running trip. Finish it before you accept another."
    advice = "Show the current trip."


class DriverNotRegistered(DomainError):
    code = "DRIVER_NOT_REGISTERED"
    message = "Register with PUT /api/v1/drivers/me first."
    advice = "Register, then repeat the request."


class PersonActive(DomainError):
    code = "PERSON_ACTIVE"
    message = "Something of this person is under way: an order, a trip, an open offer, or duty."
    advice = "End it, or wait for its end, then ask again."


class TripNotFound(DomainError):
    code = "TRIP_NOT_FOUND"
    message = "There is no such trip of yours."
    advice = "Read `GET /drivers/me` and show its current trip."


class InvalidTransition(DomainError):
    code = "INVALID_TRANSITION"
    message = "This step does not follow from the present state."
    advice = "Read the present state and offer only what follows from it."
