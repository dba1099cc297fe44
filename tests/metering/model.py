"""A plain model of one customer's account in one period: lists and sums, from the definitions.

Nothing here is incremental but the purse: every total is worked out again from all events that were taken and
not voided.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from metering.prices import Definition
from metering.rating import Usage, gross_micros, sum_exact

VAT = Decimal(21)
EXACT = Context(prec=100)
ZERO = Decimal(0)


@dataclass
class Told:
    """An event as it was sent."""

    meter: str
    at: datetime
    event_id: str
    value: Any
    document: dict[str, Any]
    is_voided: bool = False


@dataclass
class HoldModel:
    public_id: str
    micros: int
    expires_at: datetime
    is_open: bool = True


@dataclass
class Purse:
    """Grants in the order in which they pay, and prepaid money."""

    prepaid: int = 0
    grants: list[int] = field(default_factory=list)
    prepaid_taken: int = 0
    drawn: list[int] = field(default_factory=list)

    def give(self, micros: int) -> None:
        self.grants.append(micros)
        self.drawn.append(0)

    def charge(self, micros: int) -> None:
        """Grants pay first; what comes back goes to prepaid first, as far as it paid."""
        if micros < 0:
            self._return(-micros)
            return
        for place, left in enumerate(self.grants):
            share = min(left, micros)
            self.grants[place] -= share
            self.drawn[place] += share
            micros -= share
        self.prepaid -= micros
        self.prepaid_taken += micros

    def _return(self, micros: int) -> None:
        share = min(micros, self.prepaid_taken)
        self.prepaid += share
        self.prepaid_taken -= share
        micros -= share
        for place in reversed(range(len(self.grants))):
            share = min(micros, self.drawn[place])
            self.grants[place] += share
            self.drawn[place] -= share
            micros -= share
        assert micros == 0, "more came back than was ever taken"


@dataclass
class Account:
    """What the account must be. `meters` gives each meter's aggregation and price."""

    meters: dict[str, tuple[str, Definition]]
    purse: Purse = field(default_factory=Purse)
    events: list[Told] = field(default_factory=list)
    holds: list[HoldModel] = field(default_factory=list)
    overdraft: int = 0
    charged: int = 0
    accrued_to: dict[str, datetime] = field(default_factory=dict)

    def settle(self) -> None:
        """Charge the difference between what all costs now and what was charged: one commit."""
        costs = sum(self._cost(meter) for meter in self.meters)
        self.purse.charge(costs - self.charged)
        self.charged = costs

    def tell(self, told: Told) -> None:
        self.events.append(told)
        if self.meters[told.meter][0] == "weighted_sum":
            self.accrued_to[told.meter] = max(told.at, self.accrued_to.get(told.meter, told.at))

    def tick(self, now: datetime) -> None:
        """Levels that are held are charged up to now."""
        for meter, until in self.accrued_to.items():
            changes = self._counting(meter)
            if changes and changes[-1].value and until < now:
                self.accrued_to[meter] = now
        self.settle()

    def expire(self, now: datetime) -> None:
        for hold in self.holds:
            hold.is_open = hold.is_open and hold.expires_at > now

    @property
    def held(self) -> int:
        return sum(hold.micros for hold in self.holds if hold.is_open)

    @property
    def promo(self) -> int:
        return sum(self.purse.grants)

    @property
    def spendable(self) -> int:
        return self.purse.prepaid + self.promo + self.overdraft - self.held

    def _counting(self, meter: str) -> list[Told]:
        counting = [told for told in self.events if told.meter == meter and not told.is_voided]
        return sorted(counting, key=lambda told: (told.at, told.event_id))

    def _cost(self, meter: str) -> int:
        aggregation, definition = self.meters[meter]
        counting = self._counting(meter)
        quantity = self._quantity(meter, aggregation, counting)
        return gross_micros(definition, Usage(quantity, len(counting)), VAT)

    def _quantity(self, meter: str, aggregation: str, counting: list[Told]) -> Decimal:
        values = [told.value for told in counting]
        if aggregation == "sum":
            return sum_exact(values)
        if aggregation == "unique":
            return Decimal(len(set(values)))
        if aggregation == "weighted_sum":
            return self._held_hours(meter, counting)
        if not values:
            return ZERO
        found: Decimal = max(values) if aggregation == "max" else values[-1]
        return found

    def _held_hours(self, meter: str, changes: list[Told]) -> Decimal:
        integral = ZERO
        ends = [*(told.at for told in changes[1:]), self.accrued_to.get(meter)]
        for told, end in zip(changes, ends, strict=False):
            assert end is not None, "a level that was told is charged up to some moment"
            micros = Decimal((end - told.at) // timedelta(microseconds=1))
            integral = EXACT.add(integral, EXACT.multiply(told.value, micros))
        hours = EXACT.divide(integral, Decimal(3_600_000_000))
        return hours.quantize(Decimal("1e-12"), ROUND_HALF_UP, EXACT)
