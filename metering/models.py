"""Tables of metering: meters and prices (shared), and what each customer used (sharded by customer).

What belongs to a customer is read and written only under the lock on that customer's balance row;
that lock also stands in for foreign keys on the rows that every event writes.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    DDL,
    JSON,
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Micros, Model, UtcDateTime


class MeterCatalog(Model):
    """One row: the version of all meters and prices. Publishing locks it and counts it up."""

    __tablename__ = "meter_catalog"

    catalog_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("catalog_id = 1", name="one_row"),)


class Meter(Model):
    """What is counted: which events, how they add up, in which unit."""

    __tablename__ = "meter"

    meter_id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(64))
    event_type: Mapped[str] = mapped_column(String(128))
    aggregation: Mapped[str] = mapped_column(String(16))
    value_property: Mapped[str | None] = mapped_column(String(128))
    unit: Mapped[str] = mapped_column(String(32))
    dimensions: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    # [catalogue version, tax category, whether it is telecom]: each holds from that version on.
    tax_classes: Mapped[list[tuple[int, str, bool]]] = mapped_column(
        JSONB, default=list, server_default=text("'[]'::jsonb")
    )
    first_event_at: Mapped[UtcDateTime | None]
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint(
            "aggregation IN ('count', 'sum', 'max', 'unique', 'latest', 'weighted_sum')", name="aggregation"
        ),
    )


class MeterPrice(Model):
    """A published price of a meter; never changed. A later one for the same `when` replaces it.

    With a customer it belongs to that customer's own list, which overrides the provider's.
    """

    __tablename__ = "meter_price"

    price_id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    meter_id: Mapped[int] = mapped_column(Integer)
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    catalog_version: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    effective_from: Mapped[date | None]
    applies_when: Mapped[dict[str, str]] = mapped_column(JSONB)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        ForeignKeyConstraint(["meter_id"], ["meter.meter_id"], ondelete="RESTRICT"),
        Index("ix_meter_price_meter_id", "meter_id"),
    )


class UsagePeriod(Model):
    """A customer's billing period. Its tax treatment and price versions are those of its first charge.

    What it took from prepaid is what was charged less what its grants gave (`usage_draw`). The
    correction sums are for earlier, closed periods, charged while this one was open: they belong on
    this period's invoice.
    """

    __tablename__ = "usage_period"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    period_start: Mapped[date] = mapped_column(Date)
    period_end: Mapped[date] = mapped_column(Date)
    status: Mapped[str] = mapped_column(String(8))
    tax_category: Mapped[str] = mapped_column(String(16))
    vat_rate: Mapped[Decimal] = mapped_column(Numeric(6, 3))
    # What is taxed otherwise: {"reduced": ["S", "9"]} by kind of product; nothing where all is taxed alike.
    special_taxes: Mapped[dict[str, tuple[str, str]] | None] = mapped_column(JSONB(none_as_null=True))
    catalog_version: Mapped[int] = mapped_column(BigInteger)
    correction_prepaid_micros: Mapped[Micros]
    correction_promo_micros: Mapped[Micros]
    opened_at: Mapped[UtcDateTime]
    closing_at: Mapped[UtcDateTime | None]
    closed_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "period_start"),
        ForeignKeyConstraint(["customer_id"], ["balance.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("status IN ('open', 'closing', 'closed')", name="status"),
        CheckConstraint("period_start < period_end", name="not_empty"),
        Index("ix_usage_period_status_period_end", "status", "period_end"),
    )


class UsageTotal(Model):
    """Q and G(Q) of one (customer, period, meter, price).

    `quantity`, `events` and `gross_micros` stand still from the close on: they are what the invoice
    bills. What comes later is added up in the `late_…` columns, and per invoice in `usage_correction`.
    """

    __tablename__ = "usage_total"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    period_start: Mapped[date] = mapped_column(Date)
    meter_id: Mapped[int] = mapped_column(Integer)
    price_id: Mapped[int] = mapped_column(Integer)
    quantity: Mapped[Decimal] = mapped_column(Numeric)
    events: Mapped[int] = mapped_column(BigInteger)
    gross_micros: Mapped[Micros]
    late_quantity: Mapped[Decimal] = mapped_column(Numeric)
    late_events: Mapped[int] = mapped_column(BigInteger)
    late_gross_micros: Mapped[Micros]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "period_start", "meter_id", "price_id"),
        {"postgresql_with": {"fillfactor": "70"}},
    )


class UsageState(Model):
    """What a total's quantity alone does not tell, where a meter does not simply add up.

    `integral` is the exact sum of level times time, in unit × µs, of a `weighted_sum`; the `last_…`
    columns name the event whose value a `latest` has.
    """

    __tablename__ = "usage_state"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    period_start: Mapped[date] = mapped_column(Date)
    meter_id: Mapped[int] = mapped_column(Integer)
    price_id: Mapped[int] = mapped_column(Integer)
    integral: Mapped[Decimal] = mapped_column(Numeric)
    last_at: Mapped[UtcDateTime | None]
    last_source: Mapped[str | None] = mapped_column(String(256, collation="C"))
    last_event_id: Mapped[str | None] = mapped_column(String(128, collation="C"))

    __table_args__ = (PrimaryKeyConstraint("customer_id", "period_start", "meter_id", "price_id"),)


class UsageValue(Model):
    """How many events named a value, for meters that count each value once (`unique`)."""

    __tablename__ = "usage_value"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    period_start: Mapped[date] = mapped_column(Date)
    meter_id: Mapped[int] = mapped_column(Integer)
    price_id: Mapped[int] = mapped_column(Integer)
    value: Mapped[str] = mapped_column(String(256, collation="C"))
    events: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (PrimaryKeyConstraint("customer_id", "period_start", "meter_id", "price_id", "value"),)


class UsageSeries(Model):
    """The level that a `weighted_sum` meter holds for one set of dimension values, over all periods.

    The level is charged up to `accrued_to`, which no change lies after. `dimensions` is canonical JSON.
    """

    __tablename__ = "usage_series"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    meter_id: Mapped[int] = mapped_column(Integer)
    dimensions: Mapped[str] = mapped_column(String(collation="C"))
    level: Mapped[Decimal] = mapped_column(Numeric)
    accrued_to: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "meter_id", "dimensions"),
        Index("ix_usage_series_accrued_to", "accrued_to", postgresql_where=text("level <> 0")),
    )


class UsageLevel(Model):
    """One change of a series: from `at` on it holds `level`. A voided event's change is deleted."""

    __tablename__ = "usage_level"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    meter_id: Mapped[int] = mapped_column(Integer)
    dimensions: Mapped[str] = mapped_column(String(collation="C"))
    at: Mapped[UtcDateTime]
    source: Mapped[str] = mapped_column(String(256, collation="C"))
    event_id: Mapped[str] = mapped_column(String(128, collation="C"))
    level: Mapped[Decimal] = mapped_column(Numeric)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "meter_id", "dimensions", "at", "source", "event_id"),
    )


class UsageDraw(Model):
    """What a period's usage took from one promotional grant.

    `late_micros` was taken after the close, for corrections.
    """

    __tablename__ = "usage_draw"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    period_start: Mapped[date] = mapped_column(Date)
    grant_id: Mapped[int] = mapped_column(Integer)
    drawn_micros: Mapped[Micros]
    late_micros: Mapped[Micros]

    __table_args__ = (PrimaryKeyConstraint("customer_id", "period_start", "grant_id"),)


class UsageCorrection(Model):
    """Usage of a closed period that a later period's invoice bills: late events, less voided ones."""

    __tablename__ = "usage_correction"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    billed_period_start: Mapped[date] = mapped_column(Date)
    period_start: Mapped[date] = mapped_column(Date)
    meter_id: Mapped[int] = mapped_column(Integer)
    price_id: Mapped[int] = mapped_column(Integer)
    quantity: Mapped[Decimal] = mapped_column(Numeric)
    events: Mapped[int] = mapped_column(BigInteger)
    net_amount: Mapped[Decimal] = mapped_column(Numeric)
    gross_micros: Mapped[Micros]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "billed_period_start", "period_start", "meter_id", "price_id"),
    )


class UsageEvent(Model):
    """An event as it was taken: what it said, what it counted, what it cost.

    `month` is the first day, in UTC, of the month of `time`: the partition. `prices`, `quantities`
    and `charges_micros` run side by side, one entry per meter that the event fed; so do, of a voided
    event, the negative `void_charges_micros`. `changed_at` is when it was recorded or voided.
    """

    __tablename__ = "usage_event"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(256, collation="C"))
    event_id: Mapped[str] = mapped_column(String(128, collation="C"))
    month: Mapped[date] = mapped_column(Date)
    time: Mapped[UtcDateTime]
    type: Mapped[str] = mapped_column(String(128))
    period_start: Mapped[date] = mapped_column(Date)
    prices: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    quantities: Mapped[list[Decimal]] = mapped_column(ARRAY(Numeric))
    charges_micros: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    transfer_number: Mapped[int | None] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    data: Mapped[Any] = mapped_column(JSON)
    changed_at: Mapped[UtcDateTime]
    voided_at: Mapped[UtcDateTime | None]
    void_charges_micros: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    void_transfer_number: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "source", "event_id", "month"),
        Index("ix_usage_event_changed_at", "changed_at", postgresql_using="brin"),
        Index("ix_usage_event_time", "time", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (month)"},
    )


# What falls into a month without a partition of its own is taken all the same.
_REST = "CREATE TABLE IF NOT EXISTS usage_event_rest PARTITION OF usage_event DEFAULT"
event.listen(
    UsageEvent.__table__,
    "after_create",
    DDL(_REST),  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
)


class UsageHour(Model):
    """Usage rolled up for reading back: per hour, meter, price and values of the meter's dimensions.

    Made afterwards from the events and never rated from. `dimensions` is canonical JSON.
    """

    __tablename__ = "usage_hour"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    hour: Mapped[UtcDateTime]
    meter_id: Mapped[int] = mapped_column(Integer)
    price_id: Mapped[int] = mapped_column(Integer)
    dimensions: Mapped[str] = mapped_column(String(collation="C"))
    period_start: Mapped[date] = mapped_column(Date)
    quantity: Mapped[Decimal] = mapped_column(Numeric)
    events: Mapped[int] = mapped_column(BigInteger)
    charge_micros: Mapped[Micros]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "hour", "meter_id", "price_id", "dimensions", "period_start"),
    )


class UsageRollup(Model):
    """One row: events changed up to this moment are in `usage_hour`; events of months before `kept_from`
    are no longer kept.
    """

    __tablename__ = "usage_rollup"

    rollup_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    rolled_up_to: Mapped[UtcDateTime]
    kept_from: Mapped[date | None] = mapped_column(Date)

    __table_args__ = (CheckConstraint("rollup_id = 1", name="one_row"),)
