"""Where alerts lie: pure arithmetic of marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.alert_marks import Facts, Kind, Watch, is_crossed, mark_of

EURO = 1_000_000
MICROS = st.integers(-(10**12), 10**12)


def facts(available: int, **others: int) -> Facts:
    known: dict[str, int] = {"spendable_micros": available, "low_mark_micros": 5 * EURO, **others}
    return Facts(available_micros=available, **known)


@pytest.mark.parametrize(
    ("watch", "seen", "crossed"),
    [
        (Watch(Kind.LOW), facts(5 * EURO), False),
        (Watch(Kind.LOW), facts(5 * EURO - 1), True),
        (Watch(Kind.EXHAUSTED), facts(1), False),
        (Watch(Kind.EXHAUSTED), facts(0), True),
        (Watch(Kind.EXHAUSTED), facts(-9 * EURO, spendable_micros=EURO), False),
        (Watch(Kind.EXHAUSTED), facts(-10 * EURO, spendable_micros=0), True),
        (Watch(Kind.AMOUNT, 20 * EURO), facts(20 * EURO), False),
        (Watch(Kind.AMOUNT, 20 * EURO), facts(20 * EURO - 1), True),
        (Watch(Kind.PERCENTAGE, 20), facts(10 * EURO, last_top_up_micros=50 * EURO), False),
        (Watch(Kind.PERCENTAGE, 20), facts(10 * EURO - 1, last_top_up_micros=50 * EURO), True),
        (Watch(Kind.PERCENTAGE, 20), facts(0), False),
        (Watch(Kind.DAYS, 7), facts(7 * EURO, burn_micros_per_day=EURO), False),
        (Watch(Kind.DAYS, 7), facts(7 * EURO - 1, burn_micros_per_day=EURO), True),
        (Watch(Kind.DAYS, 7), facts(-EURO), False),
        (Watch(Kind.SPENDING_LIMIT, 100), facts(EURO, month_spent_micros=99), False),
        (Watch(Kind.SPENDING_LIMIT, 100), facts(EURO, month_spent_micros=100), True),
    ],
)
def test_an_alert_comes_about_below_its_mark(watch: Watch, seen: Facts, *, crossed: bool) -> None:
    assert is_crossed(watch, seen) is crossed


@given(
    available=MICROS,
    overdraft=st.integers(0, 10**9),
    limit=st.integers(1, 10**12),
    spent=st.integers(0, 10**12),
)
def test_spending_what_lies_above_a_mark_and_one_micro_more_crosses_it(
    available: int, overdraft: int, limit: int, spent: int
) -> None:
    """So the ledger's one comparison wakes for every kind of alert exactly in time."""
    before = facts(available, spendable_micros=available + overdraft, month_spent_micros=spent)
    for watch in (Watch(Kind.EXHAUSTED), Watch(Kind.SPENDING_LIMIT, limit)):
        mark = mark_of(watch, before)
        assert mark is not None
        if is_crossed(watch, before):
            continue
        used = available - mark + 1
        after = facts(mark - 1, spendable_micros=mark - 1 + overdraft, month_spent_micros=spent + used)
        assert is_crossed(watch, after)
        assert not is_crossed(
            watch, facts(mark, spendable_micros=mark + overdraft, month_spent_micros=spent + used - 1)
        )
