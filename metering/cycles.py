"""Which period a customer's moment falls in: what has begun in its month decides, else the cycle of then.

A month has one cycle: periods of one customer never overlap, whatever changes while the first one begins.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.customers import service as customers
from app.customers.models import Customer
from metering.periods import HALF_MONTH_DAY, Cycle, Period, PeriodFinder, periods_of_month

# A customer, and the first day of a month.
MonthKey = tuple[int, date]


class CustomerPeriods:
    """The cycles of customers' months, as far as one transaction needs them."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._months = PeriodFinder(zone)
        self._halves = PeriodFinder(zone, Cycle.HALF_MONTHLY)
        self._known: set[MonthKey] = set()
        self._halved: set[MonthKey] = set()
        self.customers: dict[int, Customer] = {}

    def note_begun(self, customer_id: int, start: date, end: date) -> None:
        """A period has begun: its month has its cycle from now on."""
        month = (customer_id, start if start.day == 1 else start.replace(day=1))
        self._known.add(month)
        if end.day == HALF_MONTH_DAY or start.day != 1:
            self._halved.add(month)

    def unknown(self, months: Iterable[MonthKey]) -> list[MonthKey]:
        """Those of these months of which nothing was noted."""
        return [month for month in months if month not in self._known]

    def decide(self, months: Collection[MonthKey]) -> bool:
        """Settle the cycle of months, in one statement where nothing has begun; whether any is halved.

        What has begun in them must have been noted.
        """
        unknown = self.unknown(months)
        if unknown:
            self.read_customers({customer_id for customer_id, _ in unknown})
            self._known.update(unknown)
            for customer_id, month in unknown:
                customer = self.customers.get(customer_id)
                if customer is not None and customer.billing_cycle_on(month) == Cycle.HALF_MONTHLY:
                    self._halved.add((customer_id, month))
        return bool(self._halved)

    def read_customers(self, customer_ids: Collection[int]) -> None:
        """All at once: at the start of a month this is about everybody."""
        wanted = set(customer_ids) - self.customers.keys()
        if wanted:
            self.customers |= customers.get_customers(wanted)

    def cycle_of(self, customer_id: int, month: date) -> Cycle:
        """The cycle of a month that is decided."""
        return Cycle.HALF_MONTHLY if (customer_id, month) in self._halved else Cycle.MONTHLY

    def find(self, customer_id: int, moment: datetime) -> Period:
        """The period that a moment falls in; its month must be decided."""
        month = self._months.find(moment)
        return self._halves.find(moment) if (customer_id, month.start) in self._halved else month

    def month_of(self, moment: datetime) -> Period:
        return self._months.find(moment)


def periods_of(
    customer_ids: Collection[int], month: date, begun: Mapping[tuple[int, date], date]
) -> dict[int, list[Period]]:
    """The periods of a month per customer, in order; `begun` has the ends of those that have begun."""
    cycles = CustomerPeriods(ZoneInfo("UTC"))
    for (customer_id, start), end in begun.items():
        cycles.note_begun(customer_id, start, end)
    cycles.decide([(customer_id, month) for customer_id in customer_ids])
    return {
        customer_id: periods_of_month(month, cycles.cycle_of(customer_id, month))
        for customer_id in customer_ids
    }
