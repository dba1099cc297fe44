"""What becomes of an event: accepted, a duplicate, or refused for one stable reason."""

from enum import Enum

from flask_babel import lazy_gettext

from app.errors import Text


class Verdict(Enum):
    """The code that the API answers, the status for a single event, and what to tell the sender."""

    ACCEPTED = ("accepted", 200, "")
    DUPLICATE = ("duplicate", 200, "")

    INVALID_EVENT = (
        "invalid_event",
        422,
        lazy_gettext("This is not a CloudEvent: an object whose attributes are text, with JSON data."),
    )
    INVALID_SPECVERSION = ("invalid_specversion", 422, lazy_gettext("Only CloudEvents 1.0 are understood."))
    MISSING_ID = ("missing_id", 422, lazy_gettext("The event has no id."))
    MISSING_SOURCE = ("missing_source", 422, lazy_gettext("The event has no source."))
    MISSING_TYPE = ("missing_type", 422, lazy_gettext("The event has no type."))
    MISSING_SUBJECT = (
        "missing_subject",
        422,
        lazy_gettext("The event has no subject: the reference of the customer."),
    )
    MISSING_TIME = ("missing_time", 422, lazy_gettext("The event has no time."))
    INVALID_TIME = (
        "invalid_time",
        422,
        lazy_gettext("The time must be a date and time with its offset, such as 2026-11-01T09:30:00Z."),
    )
    TIME_AHEAD = ("time_ahead", 422, lazy_gettext("The time lies too far in the future."))
    TIME_TOO_OLD = ("time_too_old", 422, lazy_gettext("The time lies too far in the past."))
    TOO_LONG = (
        "too_long",
        422,
        lazy_gettext("A source has at most 256 characters, an id and a type at most 128, none of them NUL."),
    )
    DATA_TOO_LARGE = ("data_too_large", 422, lazy_gettext("The event's data is too large."))
    UNKNOWN_CUSTOMER = (
        "unknown_customer",
        404,
        lazy_gettext("The event's subject is no customer's reference."),
    )
    NO_METER = ("no_meter", 422, lazy_gettext("No meter counts events of this type."))
    NO_PRICE = ("no_price", 422, lazy_gettext("The event's meter has no price that applies to it."))
    INVALID_QUANTITY = (
        "invalid_quantity",
        422,
        lazy_gettext("The quantity must be a number of at least 0 and below 10¹⁵ with at most 12 decimals."),
    )
    INVALID_VALUE = (
        "invalid_value",
        422,
        lazy_gettext("The value must be a text of at most 256 characters, a number or a truth value."),
    )
    RESERVED_SOURCE = ("reserved_source", 422, lazy_gettext("This source is reserved."))
    INVALID_DIMENSION = (
        "invalid_dimension",
        422,
        lazy_gettext("A dimension's value must be a text, number or truth value of at most 128 characters."),
    )
    CHARGE_TOO_LARGE = ("charge_too_large", 422, lazy_gettext("The event would cost more than is plausible."))
    CONFLICT = (
        "conflict",
        409,
        lazy_gettext("An event with this source and id was recorded with another content."),
    )
    NOT_RECORDED = ("not_recorded", 422, lazy_gettext("The database refused this event."))

    def __init__(self, code: str, status: int, detail: Text) -> None:
        """Unpack the three facts of each verdict."""
        self.code = code
        self.status = status
        self.detail = detail

    @property
    def is_refusal(self) -> bool:
        """Whether the event was neither counted now nor before."""
        return self is not Verdict.ACCEPTED and self is not Verdict.DUPLICATE
