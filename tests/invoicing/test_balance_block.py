"""The balance block adds up as printed, and one period's closing is the next one's opening."""

from hypothesis import given
from hypothesis import strategies as st

from invoicing.balance_block import block

EURO = 1_000_000
cents = st.integers(-(10**8), 10**8).map(lambda amount: amount * 10_000)


def test_the_look_of_october() -> None:
    rows = block(
        moved={"top_ups": 50 * EURO, "promotional": 5 * EURO},
        moved_since_micros=25 * EURO,
        available_micros=30 * EURO,
        newer_debits_micros=11 * EURO,
        usage_micros=53_070_000,
        credits_micros=0,
        due_micros=0,
    )
    assert rows == {
        "opening": 14_070_000,
        "top_ups": 50 * EURO,
        "promotional": 5 * EURO,
        "usage": -53_070_000,
        "closing": 16 * EURO,
    }


@given(
    moved=st.dictionaries(st.sampled_from(["top_ups", "promotional", "settled", "other"]), cents),
    since=cents,
    available=st.integers(-(10**12), 10**12),
    newer=st.integers(0, 10**11),
    usage=st.integers(0, 10**11),
    credits_used=st.integers(0, 10**6).map(lambda amount: amount * 10_000),
    due=st.integers(0, 10**6).map(lambda amount: amount * 10_000),
    charged=cents,
)
def test_opening_plus_what_moved_is_closing_to_the_cent(
    *,
    moved: dict[str, int],
    since: int,
    available: int,
    newer: int,
    usage: int,
    credits_used: int,
    due: int,
    charged: int,
) -> None:
    rows = block(
        moved=moved,
        moved_since_micros=since,
        available_micros=available,
        newer_debits_micros=newer,
        usage_micros=usage,
        credits_micros=credits_used,
        due_micros=due,
        charged_micros=charged,
    )
    assert all(amount % 10_000 == 0 for amount in rows.values())
    assert rows["closing"] == sum(amount for row, amount in rows.items() if row != "closing")
    assert abs(-rows["usage"] - usage) <= 10_000
