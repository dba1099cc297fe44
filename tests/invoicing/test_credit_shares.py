"""Credit notes together never take back more than was charged, and the last one takes the rest."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.credit_shares import left_of, of_lines, room_for_lines, shares_of, vat_of
from invoicing.tax import Treatment
from invoicing.totals import TaxTotal, totals_of

NL = Treatment("S", Decimal(21))
REDUCED = Treatment("S", Decimal(9))
AE = Treatment("AE", Decimal(0))


def test_part_of_an_invoice_is_split_into_net_and_vat() -> None:
    (share,) = shares_of(1210, left_of(totals_of([(NL, 4386)]).taxes, []))
    assert (share.taxable_cents, share.vat_cents) == (1000, 210)


def test_two_rates_share_in_proportion() -> None:
    charged = totals_of([(NL, 10_000), (REDUCED, 10_000)]).taxes
    shares = shares_of(2300, left_of(charged, []))
    assert [(s.taxable_cents, s.vat_cents) for s in shares] == [(1000, 210), (1000, 90)]


def test_more_than_is_left_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be taken"):
        shares_of(122, left_of(totals_of([(NL, 100)]).taxes, []))


treatments = st.sampled_from([NL, REDUCED, AE, Treatment("S", Decimal("25.5"))])


@given(
    st.lists(st.tuples(treatments, st.integers(-(10**6), 10**8)), min_size=1, max_size=5),
    st.lists(st.integers(1, 10**8), max_size=6),
)
def test_any_credits_end_with_nothing_left_and_never_take_too_much(
    lines: list[tuple[Treatment, int]], wanted: list[int]
) -> None:
    charged = totals_of(lines)
    credited: list[TaxTotal] = []
    for amount in wanted:
        left = left_of(charged.taxes, credited)
        total = sum(one.gross_cents for one in left)
        if not 0 < amount <= total:
            continue
        shares = shares_of(amount, left)
        assert sum(share.taxable_cents + share.vat_cents for share in shares) == amount
        by_treatment = {one.treatment: one for one in left}
        for share in shares:
            if amount < total:
                assert 0 <= share.taxable_cents <= by_treatment[share.treatment].taxable_cents
                assert 0 <= share.vat_cents <= by_treatment[share.treatment].vat_cents
                if share.treatment.percent == 0:
                    assert share.vat_cents == 0
        credited += shares
    left = left_of(charged.taxes, credited)
    rest = sum(one.gross_cents for one in left)
    if rest > 0:
        credited += shares_of(rest, left)
        assert left_of(charged.taxes, credited) == ()
        assert sum(t.taxable_cents + t.vat_cents for t in credited) == charged.total_cents


charges = st.tuples(treatments, st.integers(1, 10**7), st.integers(0, 100))


@given(
    st.lists(charges, min_size=1, max_size=5),
    st.lists(st.tuples(treatments, st.integers(-(10**8), -1)), max_size=3),
)
def test_unused_shares_of_lines_come_back_whole_whatever_other_lines_gave_back(
    lines: list[tuple[Treatment, int, int]], given_back: list[tuple[Treatment, int]]
) -> None:
    printed = [(treatment, net) for treatment, net, _ in lines] + given_back
    charged = totals_of(printed).taxes
    credited: list[TaxTotal] = []
    for treatment, net, percent_unused in lines:
        unused = net * percent_unused // 100
        taken = of_lines([(treatment, unused)], room_for_lines(printed, charged, credited))
        assert sum(share.taxable_cents for share in taken) == unused
        credited += taken
    for treatment in {one[0] for one in lines}:
        net = sum(one[1] for one in lines if one[0] == treatment)
        back = [tax for tax in credited if tax.treatment == treatment]
        vat = sum(tax.vat_cents for tax in back)
        assert 0 <= vat <= vat_of(treatment, net)
        if sum(tax.taxable_cents for tax in back) == net:
            assert vat == vat_of(treatment, net)


def test_what_a_discount_paid_does_not_come_back_as_money() -> None:
    lines = [(NL, 6000), (NL, -5000), (NL, 3000)]
    charged = totals_of(lines, {NL: 72_600_000}).taxes
    (left,) = room_for_lines(lines, charged, [])
    assert (left.taxable_cents, left.vat_cents) == (3000, 630)
