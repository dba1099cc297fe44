"""The usage book of one transaction: periods and totals under their customers' locks, charged and written.

Rating keeps one total per (customer, period, meter, price); what moves it from Q0 to Q1 is charged
G(Q1) - G(Q0) at the period's frozen price and VAT rate. A period that is no longer open is rated on in the
same way, but what that changes is kept apart and belongs on the invoice of a period that is open now.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
from psycopg import Cursor
from psycopg.rows import TupleRow

from app.config import settings
from app.ledger.debits import Database, Debited, Funding, LockedBalance, UsageCharge, array_of, debit_usage
from metering.catalog import Catalog
from metering.cycles import CustomerPeriods, MonthKey
from metering.periods import Period, midnight
from metering.prices import Price
from metering.rating import EXACT, Usage, net_of
from metering.treatment import facts_of, rate_of_class, special_text, treatment_of

# No single event is worth ten million; a total this far off would be a mistake in a price or a quantity.
MAX_CHARGE_MICROS: Final = 10**13
ZERO: Final = Decimal(0)

PeriodKey = tuple[int, date]
TotalKey = tuple[int, date, int, int]

_PERIODS = """
SELECT p.customer_id, p.period_start, p.period_end, p.status, p.vat_rate, p.catalog_version,
       p.special_taxes::text
FROM unnest(%s::bigint[], %s::date[]) AS k (customer_id, month)
JOIN usage_period p ON p.customer_id = k.customer_id AND p.period_start BETWEEN k.month AND k.month + 15
"""
_TOTALS = """
SELECT t.customer_id, t.period_start, t.meter_id, t.price_id, t.quantity, t.events, t.gross_micros,
       t.late_quantity, t.late_events, t.late_gross_micros
FROM unnest(%s::bigint[], %s::date[], %s::integer[], %s::integer[])
     AS k (customer_id, period_start, meter_id, price_id)
JOIN usage_total t USING (customer_id, period_start, meter_id, price_id)
"""
_COPY_PERIODS = """
COPY usage_period (customer_id, period_start, period_end, status, tax_category, vat_rate, special_taxes,
                   catalog_version, correction_prepaid_micros, correction_promo_micros, opened_at) FROM STDIN
"""
_COPY_TOTALS = """
COPY usage_total (customer_id, period_start, meter_id, price_id, quantity, events, gross_micros,
                  late_quantity, late_events, late_gross_micros) FROM STDIN
"""
_UPDATE_TOTALS = """
UPDATE usage_total AS t
SET quantity = d.quantity, events = d.events, gross_micros = d.gross_micros
FROM unnest(%s::bigint[], %s::date[], %s::integer[], %s::integer[], %s::numeric[], %s::bigint[], %s::bigint[])
     AS d (customer_id, period_start, meter_id, price_id, quantity, events, gross_micros)
WHERE t.customer_id = d.customer_id AND t.period_start = d.period_start AND t.meter_id = d.meter_id
  AND t.price_id = d.price_id
"""
_UPDATE_LATE_TOTALS = """
UPDATE usage_total AS t
SET late_quantity = d.quantity - t.quantity, late_events = d.events - t.events,
    late_gross_micros = d.gross_micros - t.gross_micros
FROM unnest(%s::bigint[], %s::date[], %s::integer[], %s::integer[], %s::numeric[], %s::bigint[], %s::bigint[])
     AS d (customer_id, period_start, meter_id, price_id, quantity, events, gross_micros)
WHERE t.customer_id = d.customer_id AND t.period_start = d.period_start AND t.meter_id = d.meter_id
  AND t.price_id = d.price_id
"""
_TAKEN = """
SELECT sum(gross_micros + late_gross_micros)::bigint FROM usage_total
WHERE customer_id = %s AND period_start = %s
"""
_DRAWS = """
SELECT d.grant_id, d.drawn_micros + d.late_micros FROM usage_draw d
JOIN "grant" g ON g.customer_id = d.customer_id AND g.grant_id = d.grant_id
WHERE d.customer_id = %s AND d.period_start = %s
ORDER BY g.priority, g.expires_at NULLS LAST, d.grant_id
"""
_ADD_DRAW = """
INSERT INTO usage_draw AS d (customer_id, period_start, grant_id, drawn_micros, late_micros)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (customer_id, period_start, grant_id) DO UPDATE
SET drawn_micros = d.drawn_micros + EXCLUDED.drawn_micros, late_micros = d.late_micros + EXCLUDED.late_micros
"""
_ADD_CORRECTION = """
INSERT INTO usage_correction AS c (customer_id, billed_period_start, period_start, meter_id, price_id,
                                   quantity, events, net_amount, gross_micros)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (customer_id, billed_period_start, period_start, meter_id, price_id) DO UPDATE
SET quantity = c.quantity + EXCLUDED.quantity, events = c.events + EXCLUDED.events,
    net_amount = c.net_amount + EXCLUDED.net_amount, gross_micros = c.gross_micros + EXCLUDED.gross_micros
"""
_ADD_CORRECTION_FUNDING = """
UPDATE usage_period SET correction_prepaid_micros = correction_prepaid_micros + %s,
       correction_promo_micros = correction_promo_micros + %s
WHERE customer_id = %s AND period_start = %s
"""


class OpenPeriod(msgspec.Struct, gc=False):
    """A customer's period with what was frozen for it."""

    customer_id: int
    start: date
    end: date
    status: str
    vat_rate: Decimal
    catalog_version: int
    special_taxes: str | None = None
    charged_micros: int = 0

    @property
    def is_open(self) -> bool:
        return self.status == "open"


class RunningTotal(msgspec.Struct, gc=False):
    """Q and G(Q) as they run, late usage included; `was` is Q before this transaction."""

    quantity: Decimal
    events: int
    gross_micros: int
    was: Usage
    gross_was_micros: int
    is_new: bool
    is_changed: bool = False


class Reading(NamedTuple):
    """What an event says to a meter that does not add up: a value, or for `unique` a text.

    `dimensions` is canonical JSON.
    """

    aggregation: str
    value_property: str
    dimensions: str
    value: Decimal = ZERO
    text: str = ""


class Contribution(NamedTuple):
    """What an event adds to (or a void takes from) the total of one price.

    With a reading the quantity is known only once the events before it are.
    """

    price: Price
    quantity: Decimal
    events: int = 1
    reading: Reading | None = None


def ask_for_periods(connection: Database, months: Collection[MonthKey]) -> Cursor[TupleRow]:
    """The statement that reads the periods that have begun in these months; for a pipeline too."""
    columns = [array_of(column) for column in zip(*months, strict=True)]
    return connection.execute(_PERIODS, columns, binary=True)


@dataclass(frozen=True, slots=True)
class FinderOf:
    """Finds the periods of one customer in a book."""

    book: "UsageBook"
    customer_id: int

    def find(self, moment: datetime) -> Period:
        return self.book.period_at(self.customer_id, moment)

    def end_of(self, period: Period) -> datetime:
        return midnight(period.end, settings().timezone)


class UsageBook:
    """Opened under the locks, charged event by event, posted once."""

    def __init__(
        self,
        connection: Database,
        balances: Mapping[int, LockedBalance],
        catalog: Catalog,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._balances = balances
        self._catalog = catalog
        self._now = now
        self._cycles = CustomerPeriods(settings().timezone)
        self.periods: dict[PeriodKey, OpenPeriod] = {}
        self._totals: dict[TotalKey, RunningTotal] = {}

    def read_periods(self, keys: Collection[PeriodKey]) -> None:
        """Read those of these periods that have begun."""
        wanted = {(customer_id, start.replace(day=1)) for customer_id, start in keys}
        self.decide(self._cycles.unknown(wanted))

    def take_periods(self, rows: Cursor[TupleRow]) -> None:
        """Keep the periods that `ask_for_periods` read."""
        for row in rows:
            self.periods[row[0], row[1]] = OpenPeriod(*row)
            self._cycles.note_begun(row[0], row[1], row[2])

    def decide(self, months: Collection[MonthKey], *, read: bool = True) -> bool:
        """Read the periods that have begun in these months, unless that was done, and settle their cycles.

        Answers whether any month in this book is halved.
        """
        if months and read:
            self.take_periods(ask_for_periods(self._connection, months))
        return self._cycles.decide(months)

    def period_at(self, customer_id: int, moment: datetime) -> Period:
        """The customer's period that a moment falls in."""
        self.decide(self._cycles.unknown([(customer_id, self._cycles.month_of(moment).start)]))
        return self._cycles.find(customer_id, moment)

    def finder_of(self, customer_id: int) -> FinderOf:
        return FinderOf(self, customer_id)

    def begin_periods(self, wanted: Mapping[PeriodKey, Period]) -> None:
        """Begin those of these periods that have not: prices and tax are frozen as they are now.

        What has begun must have been read.
        """
        new = {key: period for key, period in wanted.items() if key not in self.periods}
        if not new:
            return
        rows = []
        version = self._catalog.version
        # All at once: at the start of a month this is about everybody.
        self._cycles.read_customers({key[0] for key in new})
        for key, period in new.items():
            tax = treatment_of(facts_of(self._cycles.customers[key[0]]), period.start)
            special = special_text(tax)
            self.periods[key] = OpenPeriod(*key, period.end, "open", tax.rate, version, special)
            self._cycles.note_begun(*key, period.end)
            rows.append((*key, period.end, "open", tax.category, tax.rate, special, version, 0, 0, self._now))
        with self._connection.cursor().copy(_COPY_PERIODS) as copy:
            for row in rows:
                copy.write_row(row)

    def frozen_version(self, key: PeriodKey) -> int:
        """The catalogue version of a period's prices: today's when it has not begun."""
        period = self.periods.get(key)
        return self._catalog.version if period is None else period.catalog_version

    def rate_of(self, period: OpenPeriod, meter_id: int) -> Decimal:
        """The VAT rate of what a meter counts in a period."""
        if meter_id not in self._catalog.specially_taxed:
            return period.vat_rate
        tax_class = self._catalog.tax_class(meter_id, period.catalog_version)
        return rate_of_class(period.vat_rate, period.special_taxes, tax_class)

    def load_totals(self, keys: Collection[TotalKey]) -> None:
        """Read the totals that will be charged; those that are missing are zero."""
        wanted = [key for key in keys if key not in self._totals]
        if not wanted:
            return
        columns = [array_of(column) for column in zip(*wanted, strict=True)]
        for row in self._connection.execute(_TOTALS, columns, binary=True):
            quantity, events, gross = row[4] + row[7], row[5] + row[8], row[6] + row[9]
            was = Usage(quantity, events)
            self._totals[row[0], row[1], row[2], row[3]] = RunningTotal(
                quantity, events, gross, was, gross, False
            )
        for key in wanted:
            if key not in self._totals:
                self._totals[key] = RunningTotal(ZERO, 0, 0, Usage(ZERO, 0), 0, True)

    def quantity(self, key: TotalKey) -> Decimal:
        """Q of a loaded total as it runs."""
        return self._totals[key].quantity

    def running(self, key: TotalKey) -> tuple[Decimal, int, int]:
        """Quantity, number of events and gross micros of a loaded total as it runs."""
        total = self._totals[key]
        return total.quantity, total.events, total.gross_micros

    def charge(self, period: OpenPeriod, contributions: Iterable[Contribution]) -> list[int] | None:
        """Move the totals and say, per contribution, the micros that costs; None when it is implausible.

        Then nothing has moved.
        """
        moves = []
        charges = []
        special = self._catalog.specially_taxed
        for price, quantity, events, _ in contributions:
            total = self._totals[period.customer_id, period.start, price.meter_id, price.price_id]
            moved = EXACT.add(total.quantity, quantity)
            count = total.events + events
            rate = period.vat_rate
            if special:
                rate = self.rate_of(period, price.meter_id)
            gross = self._catalog.gross(price, rate)(moved, count)
            charge = gross - total.gross_micros
            if not -MAX_CHARGE_MICROS <= charge <= MAX_CHARGE_MICROS:
                return None
            moves.append((total, moved, count, gross))
            charges.append(charge)
        for total, moved, count, gross in moves:
            total.quantity, total.events, total.gross_micros = moved, count, gross
            total.is_changed = True
        period.charged_micros += sum(charges)
        return charges

    def post(self) -> Debited:
        """Debit what the periods were charged, and write all that has changed."""
        charged = [period for period in self.periods.values() if period.charged_micros]
        charges = [self._usage_charge(period) for period in charged]
        self._insert_totals()
        # One journey to the server and back for all of these.
        with self._connection.pipeline():
            debited = debit_usage(self._connection, self._balances, charges, self._now)
            self._update_totals()
            for period, funding in zip(charged, debited.fundings, strict=True):
                self._write_draws(period, funding)
        self._write_corrections(
            dict(zip(((p.customer_id, p.start) for p in charged), debited.fundings, strict=True))
        )
        return debited

    def _usage_charge(self, period: OpenPeriod) -> UsageCharge:
        if period.charged_micros >= 0:
            return UsageCharge(period.customer_id, period.charged_micros)
        key = (period.customer_id, period.start)
        taken = self._connection.execute(_TAKEN, key).fetchone()
        draws = {row[0]: row[1] for row in self._connection.execute(_DRAWS, key)}
        from_prepaid = (taken[0] or 0 if taken else 0) - sum(draws.values())
        return UsageCharge(period.customer_id, period.charged_micros, from_prepaid, draws)

    def _insert_totals(self) -> None:
        new: list[tuple[Any, ...]] = []
        for key, total in self._totals.items():
            if total.is_new and total.is_changed:
                values = (total.quantity, total.events, total.gross_micros)
                is_open = self.periods[key[0], key[1]].is_open
                new.append((*key, *values, ZERO, 0, 0) if is_open else (*key, ZERO, 0, 0, *values))
        if new:
            with self._connection.cursor().copy(_COPY_TOTALS) as copy:
                for row in new:
                    copy.write_row(row)

    def _update_totals(self) -> None:
        changed: list[tuple[Any, ...]] = []
        late: list[tuple[Any, ...]] = []
        for key, total in self._totals.items():
            if total.is_changed and not total.is_new:
                rows = changed if self.periods[key[0], key[1]].is_open else late
                rows.append((*key, total.quantity, total.events, total.gross_micros))
        for statement, rows in ((_UPDATE_TOTALS, changed), (_UPDATE_LATE_TOTALS, late)):
            if rows:
                self._connection.execute(statement, [array_of(column) for column in zip(*rows, strict=True)])

    def _write_draws(self, period: OpenPeriod, funding: Funding) -> None:
        for grant_id, micros in funding.grants.items():
            drawn, late = (micros, 0) if period.is_open else (0, micros)
            self._connection.execute(_ADD_DRAW, (period.customer_id, period.start, grant_id, drawn, late))

    def _write_corrections(self, fundings: Mapping[PeriodKey, Funding]) -> None:
        """Put what changed in closed periods on the invoice of an open one."""
        billed: dict[PeriodKey, date] = {}
        for key, total in self._totals.items():
            corrected = key[:2]
            if self.periods[corrected].is_open or not total.is_changed:
                continue
            if corrected not in billed:
                billed[corrected] = self._billed_period(self.periods[corrected])
            definition = self._catalog.prices[key[3]].definition
            after = Usage(total.quantity, total.events)
            facts = (
                EXACT.subtract(total.quantity, total.was.quantity),
                total.events - total.was.events,
                EXACT.subtract(net_of(definition, after), net_of(definition, total.was)),
                total.gross_micros - total.gross_was_micros,
            )
            self._connection.execute(_ADD_CORRECTION, (key[0], billed[corrected], *key[1:], *facts))
        for corrected, on in billed.items():
            funding = fundings.get(corrected, Funding(0))
            taken = (funding.prepaid_micros, funding.promo_micros)
            self._connection.execute(_ADD_CORRECTION_FUNDING, (*taken, corrected[0], on))

    def _billed_period(self, corrected: OpenPeriod) -> date:
        """The period whose invoice will carry a correction: today's, or the first after it that is open."""
        customer_id, moment = corrected.customer_id, self._now
        while True:
            period = self.period_at(customer_id, moment)
            key = (customer_id, period.start)
            self.begin_periods({key: period})
            if self.periods[key].is_open:
                return period.start
            moment = midnight(period.end, settings().timezone)
