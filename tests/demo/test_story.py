"""The story fits any day on which the demo may be loaded."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.demo.cast import CUSTOMERS, LAST_MONTHS_MAXIMUM_MICROS, THRESHOLD_MICROS
from app.demo.replay import price_micros
from app.demo.story import (
    ROWS_THIS_MONTH,
    CloseMonth,
    FirstPayment,
    Open,
    PayInvoice,
    SetRule,
    TopUpByHand,
    story,
)

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MOMENTS = [
    datetime(2026, 11, 22, 11, 46, tzinfo=UTC),
    datetime(2026, 10, 31, 22, 59, tzinfo=UTC),  # the last minutes of a month
    datetime(2026, 10, 31, 23, 1, tzinfo=UTC),  # the first minutes of the next
    datetime(2026, 11, 1, 1, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 0, tzinfo=UTC),
    datetime(2026, 11, 2, 8, 0, tzinfo=UTC),
    datetime(2027, 3, 31, 21, 30, tzinfo=UTC),  # after the clocks went forward
    datetime(2028, 2, 29, 12, 0, tzinfo=UTC),
    datetime(2027, 1, 1, 10, 0, tzinfo=UTC),
]


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_nothing_lies_after_now_and_every_act_has_its_order(now: datetime) -> None:
    told = story(now, AMSTERDAM)
    assert [act.at for act in told.acts] == sorted(act.at for act in told.acts)
    assert told.acts[-1].at == now
    assert all(act.at <= now for act in told.acts)
    assert max(span.moment(span.last - 1) for span in told.spans) < now
    for customer in CUSTOMERS:
        mine = [act for act in told.acts if getattr(act, "customer", None) == customer]
        kinds = [type(act) for act in mine if not (isinstance(act, SetRule) and not act.enabled)]
        assert kinds[:3] == [Open, FirstPayment, SetRule]
        assert sorted(kind.__name__ for kind in kinds[3:]) == ["PayInvoice", "SetRule", "TopUpByHand"]


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_last_month_is_the_whole_trace_within_its_own_days(now: datetime) -> None:
    told = story(now, AMSTERDAM)
    this_month = now.astimezone(AMSTERDAM).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    for customer in CUSTOMERS:
        oldest, older, last, current = (s for s in told.spans if s.reference == customer.reference)
        assert last.label == f"{last_month:%Y-%m}"
        assert (last.begin, last.end, last.last) == (last_month, this_month, 8_819)
        assert (current.end, current.last) == (now, ROWS_THIS_MONTH)
        assert current.begin >= this_month
        assert oldest.end == older.begin
        assert older.end == last.begin


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_months_are_closed_after_they_ended_and_before_the_next_has_usage(now: datetime) -> None:
    told = story(now, AMSTERDAM)
    closes = [act for act in told.acts if isinstance(act, CloseMonth)]
    assert len(closes) == 3
    for close in closes:
        assert close.at >= close.period.bounds(AMSTERDAM)[1]
    assert all(span.begin >= closes[-1].at for span in told.spans if span.last == ROWS_THIS_MONTH)


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_an_automatic_top_up_of_this_month_is_more_than_an_hour_old(now: datetime) -> None:
    told = story(now, AMSTERDAM)
    last_close = [act for act in told.acts if isinstance(act, CloseMonth)][-1]
    for customer in CUSTOMERS:
        rules = [act for act in told.acts if isinstance(act, SetRule) and act.customer == customer]
        by_hand = next(a for a in told.acts if isinstance(a, TopUpByHand) and a.customer == customer)
        paid = next(a for a in told.acts if isinstance(a, PayInvoice) and a.customer == customer)
        assert rules[0].monthly_maximum_micros == LAST_MONTHS_MAXIMUM_MICROS
        assert by_hand.at < paid.at <= now
        if rules[-2].enabled:
            assert rules[-1].at < now - timedelta(hours=1)
            assert rules[-1].at < by_hand.at
            # The automatic top-up of 25 euro still lasts when the one by hand comes.
            span = by_hand.span
            used = len(span.rows_until(by_hand.at, 0))
            assert 25_000_000 - price_micros(0, used) > THRESHOLD_MICROS
        else:
            assert rules[-2].at < last_close.at
            assert rules[-1].at > by_hand.at
