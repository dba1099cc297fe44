"""The API's shapes of events, usage, meters and prices, as its reference states them."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.ledger.shapes import State
from app.reference.statements import Money

Number = Annotated[
    str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,12})?$", description="A decimal as text.", examples=["0.01"])
]
AnyNumber = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="A decimal as text.")]
MeterCode = Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$", examples=["tokens"])]
Source = Annotated[str, Meta(min_length=1, max_length=256, pattern="^[^\\u0000]*$")]
EventId = Annotated[str, Meta(min_length=1, max_length=128, pattern="^[^\\u0000]*$")]
TaxCategory = Literal["standard", "reduced", "zero"]
Aggregation = Literal["count", "sum", "max", "unique", "latest", "weighted_sum"]


class CloudEvent(Struct):
    """CloudEvents 1.0. Customer, `source` and `id` are an event's identity: again is a duplicate."""

    id: EventId
    source: Source
    type: Annotated[str, Meta(min_length=1, max_length=128, examples=["llm.completion"])]
    subject: Annotated[str, Meta(description="The customer's reference.", examples=["acme"])]
    time: Annotated[datetime, Meta(tz=True)]
    data: Annotated[dict[str, Any] | UnsetType, Meta(description="What meters read, at most 16 kB.")] = UNSET
    data_base64: Annotated[
        str | UnsetType, Meta(description="The same as JSON in Base64, instead of `data`.")
    ] = UNSET
    specversion: Literal["1.0"] = "1.0"


class Rejection(Struct):
    index: int
    id: str | None
    code: str
    detail: str


class StandNow(Struct):
    available: Money
    state: State


class Taken(Struct):
    """What became of the events, and the durable balances after them, by customer reference."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]
    balances: dict[str, StandNow]


class EventName(Struct, forbid_unknown_fields=True):
    source: Source
    id: EventId


class VoidedEvent(Struct):
    source: str
    id: str
    voided_at: datetime
    returned: Annotated[
        Money,
        Meta(
            description="What went back to the balance, promotional credit included, over all periods that "
            "were rated anew; below zero where what is left costs more."
        ),
    ]
    balance: StandNow


class MeterName(Struct, forbid_unknown_fields=True):
    en: Annotated[str, Meta(min_length=1, max_length=120)]
    nl: Annotated[str, Meta(min_length=1, max_length=120)]


class MeterFacts(Struct, forbid_unknown_fields=True):
    event_type: Annotated[str, Meta(pattern="^[!-~]{1,128}$", examples=["llm.completion"])]
    aggregation: Aggregation
    unit: Annotated[str, Meta(min_length=1, max_length=32, examples=["token"])]
    name: MeterName
    value_property: Annotated[
        str | None, Meta(description="The member of `data` that is read; none for count.")
    ] = None
    dimensions: Annotated[list[str], Meta(max_length=5)] = []
    tax_category: (
        Annotated[TaxCategory, Meta(description="How it is taxed, from the next period on.")] | UnsetType
    ) = UNSET
    is_telecom: (
        Annotated[bool, Meta(description="Reverse-charged to Dutch businesses that resell telecom.")]
        | UnsetType
    ) = UNSET


class Meter(Struct):
    code: MeterCode
    event_type: str
    aggregation: Aggregation
    value_property: str | None
    unit: str
    dimensions: list[str]
    name: MeterName
    tax_category: TaxCategory
    is_telecom: bool


class _NewPrice(Struct, kw_only=True, tag_field="model", forbid_unknown_fields=True):
    """Net amounts. `when` names the dimension values that the price is for; the most specific applies."""

    currency: Literal["EUR"] = "EUR"
    effective_from: date | None = None
    when: dict[str, str] | None = None


class Tier(Struct, forbid_unknown_fields=True):
    """`up_to` is inclusive; the last tier has none. `flat_amount` falls due on entering the tier."""

    unit_amount: Number = "0"
    up_to: Number | None = None
    flat_amount: Number = "0"


class PerUnitPrice(_NewPrice, tag="per_unit", kw_only=True):
    unit_amount: Number


class GraduatedPrice(_NewPrice, tag="graduated", kw_only=True):
    tiers: Annotated[list[Tier], Meta(min_length=1, max_length=100)]


class VolumePrice(_NewPrice, tag="volume", kw_only=True):
    tiers: Annotated[list[Tier], Meta(min_length=1, max_length=100)]


class PackagePrice(_NewPrice, tag="package", kw_only=True):
    package_size: Number
    package_amount: Number


class PercentagePrice(_NewPrice, tag="percentage", kw_only=True):
    """`rate` per cent of the quantity, and a fixed amount per event."""

    rate: Number
    fixed_amount: Number = "0"


NewPrice = PerUnitPrice | GraduatedPrice | VolumePrice | PackagePrice | PercentagePrice


class Price(Struct):
    """A published price, with the members of its model."""

    id: int
    model: Literal["per_unit", "graduated", "volume", "package", "percentage"]
    currency: str
    effective_from: date | None
    when: dict[str, str] | None
    unit_amount: AnyNumber | UnsetType = UNSET
    tiers: list[Tier] | UnsetType = UNSET
    package_size: AnyNumber | UnsetType = UNSET
    package_amount: AnyNumber | UnsetType = UNSET
    rate: AnyNumber | UnsetType = UNSET
    fixed_amount: AnyNumber | UnsetType = UNSET


class UsageQuery(Struct):
    start: Annotated[date | UnsetType, Meta(description="The first day; of this month by default.")] = UNSET
    end: Annotated[
        date | UnsetType, Meta(description="The day after the last one; at most 400 days, 31 by the hour.")
    ] = UNSET
    by: Literal["day", "hour"] = "day"
    meter: MeterCode | UnsetType = UNSET
    group_by: Annotated[
        str | UnsetType,
        Meta(description="Names of dimensions to split by, with commas between.", examples=["model"]),
    ] = UNSET


class UsageRow(Struct):
    """What a meter counted in a day or hour, and what that cost with VAT."""

    day: date
    hour: datetime | None
    meter: MeterCode
    unit: str
    dimensions: dict[str, str | None]
    quantity: AnyNumber
    events: int
    charge: Money
    events_url: str


class EventsQuery(Struct):
    start: Annotated[
        str | UnsetType,
        Meta(description="A day, or a moment with its offset.", examples=["2026-12-01"]),
    ] = UNSET
    end: Annotated[str | UnsetType, Meta(description="Up to, not including.")] = UNSET
    period: (
        Annotated[
            str,
            Meta(
                description="The month billed, or the first day of a period.",
                pattern="^20[0-9]{2}-(0[1-9]|1[0-2])(-(01|16))?$",
            ),
        ]
        | UnsetType
    ) = UNSET
    meter: MeterCode | UnsetType = UNSET
    price: Annotated[
        str | UnsetType, Meta(description="Ids of prices, with commas between.", examples=["3,7"])
    ] = UNSET
    dimensions: Annotated[
        str | UnsetType,
        Meta(description="Values of dimensions, as a JSON object.", examples=['{"model": "large"}']),
    ] = UNSET
    when: Annotated[
        str | UnsetType,
        Meta(description="With a meter: what its prices are for, as a JSON object; `{}` is for all else."),
    ] = UNSET
    late: Annotated[
        Literal["false", "true"],
        Meta(description="Only what came, or was taken back, after its period was closed."),
    ] = "false"


class EventsPaging(EventsQuery):
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str | UnsetType, Meta(description="`next_cursor` of the page before.")] = UNSET


class EventCharge(Struct):
    """What an event counted for one meter, and what that cost with VAT; `returned` when it was taken back."""

    meter: MeterCode
    price: int
    quantity: AnyNumber
    charge: Money
    returned: Money


class RecordedEvent(Struct):
    """An event as it was taken. `transaction` is the number of the movement that its charge is part of."""

    id: str
    source: str
    type: str
    time: datetime
    period: str
    data: Any
    charges: list[EventCharge]
    voided_at: datetime | None
    transaction: int | None
    void_transaction: int | None
