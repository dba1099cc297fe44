"""The API's shapes of holds, as its reference states them."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.reference.statements import Money
from metering.shapes import MeterCode, Number, StandNow

Seconds = Annotated[int, Meta(ge=1, le=2_592_000, description="How long it holds; an hour by default.")]


class NewHold(Struct, kw_only=True):
    """Either an amount, or a meter and a quantity: what that would cost the customer now, VAT included."""

    amount: Money | UnsetType = UNSET
    meter: MeterCode | UnsetType = UNSET
    quantity: Number | UnsetType = UNSET
    dimensions: dict[str, str] | UnsetType | None = UNSET
    expires_in: Seconds | UnsetType = UNSET


class Hold(Struct, kw_only=True):
    """`captured` is what the work was debited in the end: less than held, as much, or more."""

    id: str
    amount: Money
    status: Literal["open", "captured", "released", "expired"]
    expires_at: datetime
    captured: Money | None
    created_at: datetime


class CapturedHold(Hold, kw_only=True):
    accepted: int
    duplicates: int
    balance: StandNow
