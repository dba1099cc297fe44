"""The API's shapes of holds, as its reference states them."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.reference.statements import Money
from metering.shapes import MeterCode, Number, StandNow

Seconds = Annotated[int, Meta(ge=1, le=2_592_000, description="How long it holds; an hour by default.")]


class _NewHold(Struct, kw_only=True):
    expires_in: Seconds | UnsetType = UNSET


class NewHoldOfAmount(_NewHold, kw_only=True):
    amount: Money


class NewHoldOfQuantity(_NewHold, kw_only=True):
    """What the quantity would cost the customer now, VAT included, is held."""

    meter: MeterCode
    quantity: Number
    dimensions: dict[str, str] | None = None


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
