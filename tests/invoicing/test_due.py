"""What is due: never more than the total, never more than the balance lacks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import micros_of_cents
from invoicing.due import Settlement, allocate, settle

EURO = 1_000_000
amounts = st.integers(0, 10**8)
micros = st.integers(-(10**13), 10**13)


def due(total_cents: int, credits_micros: int, balance_micros: int) -> Settlement:
    return settle(
        total_cents=total_cents,
        credits_micros=credits_micros,
        balance_micros=balance_micros,
        small_due_micros=EURO,
    )


def test_a_balance_that_covered_all_usage_leaves_nothing_due() -> None:
    assert due(5307, 0, 16 * EURO) == Settlement(5307, 0, 0, 5307, 0)


def test_what_the_balance_lacks_is_due() -> None:
    assert due(5307, 0, -18_150_000) == Settlement(5307, 0, 0, 3492, 1815)


def test_a_chargeback_below_zero_is_no_part_of_the_invoice() -> None:
    assert due(5307, 0, -80 * EURO).due_cents == 5307


def test_credits_come_before_balance_money_and_lessen_what_is_due() -> None:
    assert due(5307, 1210 * 10_000, -18_150_000) == Settlement(5307, 1210, 0, 3492, 605)


def test_credits_that_settle_it_all_are_left_in_part() -> None:
    assert due(5307, 6000 * 10_000, -53_070_000) == Settlement(5307, 5307, 693, 0, 0)


def test_a_settlement_that_does_not_add_up_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="does not add up"):
        Settlement(5307, 0, 0, 5307, 1)


def test_less_than_a_euro_stays_on_the_balance() -> None:
    assert due(5307, 0, -990_000).due_cents == 0
    assert due(5307, 0, -1_000_000).due_cents == 100


def test_of_a_negative_total_nothing_is_due() -> None:
    assert due(-500, 7 * EURO, -80 * EURO) == Settlement(-500, 0, 700, -500, 0)


@given(total=st.integers(-(10**8), 10**8), credits_left=st.integers(0, 10**12), balance=micros)
def test_the_parts_always_make_the_total(total: int, credits_left: int, balance: int) -> None:
    result = due(total, credits_left, balance)
    assert result.credits_used_cents + result.prepaid_cents + result.due_cents == total
    assert 0 <= result.due_cents <= max(0, total)
    assert micros_of_cents(result.due_cents) <= max(0, -balance)
    assert micros_of_cents(result.credits_used_cents + result.credits_left_cents) <= credits_left
    if result.due_cents:
        after = balance + micros_of_cents(result.credits_used_cents + result.due_cents)
        assert after < 10_000


def test_a_fee_given_back_lessens_what_is_due_and_is_never_asked_for() -> None:
    """Usage of €10.00 that the balance lacks, and €1.45 of a fee whose money the bank took back itself.

    The document comes to €8.55 and no more than that is due on it. The rest of what was used stays below zero
    on the balance, as all else that is no part of the document does.
    """
    made = settle(
        total_cents=855, credits_micros=0, balance_micros=-10 * EURO, small_due_micros=EURO, paid_cents=-145
    )
    assert made == Settlement(855, 0, 0, 0, 855)
    covered = settle(
        total_cents=855, credits_micros=0, balance_micros=0, small_due_micros=EURO, paid_cents=-145
    )
    assert covered == Settlement(855, 0, 0, 855, 0)


@given(
    used=st.integers(-(10**7), 10**8),
    fees=st.integers(-(10**6), 10**6),
    opening=st.integers(-(10**8), 10**8),
    top_ups=st.integers(0, 10**8),
    credits_there=st.integers(0, 10**7),
)
def test_opening_and_top_ups_less_usage_and_what_a_close_moves_are_the_closing_balance(
    used: int, fees: int, opening: int, top_ups: int, credits_there: int
) -> None:
    """All in cents; `used` may be below zero (corrections), `fees` too (given back)."""
    before = opening + top_ups - used
    made = settle(
        total_cents=used + fees,
        credits_micros=micros_of_cents(credits_there),
        balance_micros=micros_of_cents(before),
        small_due_micros=EURO,
        paid_cents=fees,
    )
    assert made.credits_used_cents + made.prepaid_cents + made.due_cents == used + fees
    closing = before + made.credits_used_cents + made.due_cents
    assert opening + top_ups - used + made.credits_used_cents + made.due_cents == closing
    # A fee is paid with its payment: it is never due, and neither are credits spent on it.
    assert made.credits_used_cents + made.due_cents <= max(0, used)
    assert made.credits_used_cents + made.due_cents <= max(0, used + fees)
    assert 0 <= made.credits_used_cents <= credits_there
    if made.due_cents:
        # Never more is asked than the balance lacks.
        assert closing <= 0
    elif closing < 0 and used + fees > 0:
        # What stays below zero is less than is ever asked for, or no part of this document.
        left = min(used, used + fees) - made.credits_used_cents
        assert min(-closing, left) < 100


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**8), max_size=6))
def test_money_settles_debts_in_order_and_never_more_than_there_is(amount: int, debts: list[int]) -> None:
    shares = allocate(amount, debts)
    assert sum(shares) == min(max(0, amount), sum(debts))
    assert all(0 <= share <= debt for share, debt in zip(shares, debts, strict=True))
    for index, share in enumerate(shares):
        if share:
            assert shares[:index] == debts[:index]
