"""Lines and totals agree to the cent, whatever was used."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.money import micros_of, micros_of_cents
from invoicing.lines import Line, MeterUsage, Part, base_of, correction_line, lines_of
from invoicing.tax import Treatment
from invoicing.totals import Totals, totals_of

NL = Treatment("S", Decimal(21))
REDUCED = Treatment("S", Decimal(9))
AE = Treatment("AE", Decimal(0))
MILLION = Decimal(1_000_000)

REPLAY = (
    MeterUsage(
        "prompt_tokens",
        {"en": "Prompt tokens", "nl": "Prompttokens"},
        "token",
        NL,
        (
            Part(Decimal(10_000_000), Decimal("0.000002"), up_to=10 * MILLION),
            Part(Decimal(8_059_974), Decimal("0.0000015"), above=10 * MILLION),
        ),
    ),
    MeterUsage("generated", {"en": "Generated"}, "token", NL, (Part(Decimal(245_896), 12 / MILLION),)),
    MeterUsage("requests", {"en": "Requests"}, "request", NL, (Part(Decimal(8_819), Decimal("0.001")),)),
)


def of(lines: list[Line], promo: dict[Treatment, int] | None = None) -> Totals:
    return totals_of([(line.treatment, line.net_cents) for line in lines], promo)


def test_the_replay_of_a_month_is_53_07() -> None:
    lines = lines_of(REPLAY)
    assert [line.net_cents for line in lines] == [2000, 1209, 295, 882]
    totals = of(lines)
    assert (totals.lines_cents, totals.vat_cents, totals.total_cents) == (4386, 921, 5307)


def test_prices_far_below_a_cent_are_stated_per_million_or_per_thousand() -> None:
    assert [line.price_base for line in lines_of(REPLAY)] == [1_000_000, 1_000_000, 1_000_000, 1]
    assert [line.price_per_base for line in lines_of(REPLAY)] == [
        Decimal(price) for price in ("2", "1.5", "12", "0.001")
    ]
    assert base_of(Decimal("0.0005")) == 1000
    assert base_of(Decimal(0)) == 1
    assert base_of(Decimal(25)) == 1


def test_promotional_credit_is_a_discount_before_vat() -> None:
    totals = totals_of([(NL, 6886)], {NL: 5_000_000})
    assert (totals.discount_cents, totals.taxable_cents, totals.vat_cents) == (413, 6473, 1359)
    assert totals.total_cents == 7832


def test_a_discount_never_exceeds_the_lines_of_its_rate() -> None:
    totals = totals_of([(NL, 100), (REDUCED, 50)], {NL: 99_000_000, REDUCED: 10_000})
    assert totals.taxes[0].taxable_cents == 0
    assert totals.taxes[1].discount_cents == 1


def test_a_fee_for_entering_a_tier_is_a_line_of_its_own() -> None:
    parts = (Part(Decimal(3), Decimal("0.10")), Part(Decimal(1), Decimal(5), "flat"))
    lines = lines_of([MeterUsage("m", {"en": "M"}, "GB", NL, parts)])
    assert [(line.kind, line.unit, line.net_cents) for line in lines] == [
        ("units", "GB", 30),
        ("flat", "", 500),
    ]


def test_nothing_used_gives_no_line() -> None:
    assert lines_of([MeterUsage("m", {"en": "M"}, "GB", NL, (Part(Decimal(0), Decimal(1)),))]) == []


def test_usage_taken_back_after_its_close_is_a_negative_line() -> None:
    line = correction_line(period=date(2026, 9, 1), net=Decimal("-1.234"), treatment=NL, names={"en": "Fix"})
    assert (line.net_cents, line.quantity, line.unit_price) == (-123, Decimal(-1), Decimal("1.234"))


parts = st.builds(
    Part,
    quantity=st.decimals(0, 10**12, places=6),
    unit_amount=st.decimals(0, 100, places=12),
    kind=st.sampled_from(["units", "flat", "packages", "events", "value"]),
)
treatments = st.sampled_from([NL, REDUCED, AE, Treatment("S", Decimal("25.5"))])
usages = st.builds(
    MeterUsage,
    meter=st.just("m"),
    names=st.just({"en": "M", "nl": "M"}),
    unit=st.just("token"),
    treatment=treatments,
    parts=st.lists(parts, max_size=4).map(tuple),
)


@given(st.lists(usages, max_size=6), st.dictionaries(treatments, st.integers(-(10**12), 10**12), max_size=3))
def test_lines_discount_vat_and_total_agree_to_the_cent(
    usage: list[MeterUsage], promo: dict[Treatment, int]
) -> None:
    lines = lines_of(usage)
    totals = of(lines, promo)
    assert totals.lines_cents == sum(line.net_cents for line in lines)
    assert totals.taxable_cents == totals.lines_cents - totals.discount_cents
    assert totals.total_cents == totals.taxable_cents + totals.vat_cents
    for tax in totals.taxes:
        exact = Decimal(tax.taxable_cents) * tax.treatment.percent / 100
        assert abs(tax.vat_cents - exact) <= Decimal("0.5")
        mine = [line.net_cents for line in lines if line.treatment == tax.treatment]
        if promo.get(tax.treatment, 0) >= 0:
            assert 0 <= tax.discount_cents <= sum(max(0, net_cents) for net_cents in mine)
        else:
            assert sum(min(0, net_cents) for net_cents in mine) <= tax.discount_cents <= 0
    assert len({tax.treatment for tax in totals.taxes}) == len(totals.taxes)


@given(st.lists(usages, max_size=6))
def test_each_line_is_its_quantity_at_its_stated_price(usage: list[MeterUsage]) -> None:
    for line in lines_of(usage):
        stated = Decimal(line.exact_net) * 100
        assert line.price_per_base == line.unit_price * line.price_base
        assert abs(stated - line.net_cents) <= Decimal("0.5")


@given(st.lists(st.tuples(treatments, st.integers(-(10**9), 10**9)), max_size=6), st.integers(0, 10**10))
def test_a_credit_note_is_its_invoice_with_the_sign_turned(
    lines: list[tuple[Treatment, int]], promo: int
) -> None:
    invoice = totals_of(lines, {NL: promo})
    credit = totals_of([(t, -c) for t, c in lines], {NL: -promo})
    assert credit.total_cents == -invoice.total_cents
    assert credit.vat_cents == -invoice.vat_cents


def test_what_is_given_back_leaves_the_discount_of_what_was_charged() -> None:
    """Usage that promotional credit paid beside a correction of what the balance paid, and the reverse."""
    paid_by_promo = totals_of([(NL, 2500), (NL, -1000)], {NL: 30_250_000})
    assert (paid_by_promo.discount_cents, paid_by_promo.total_cents) == (2500, -1210)
    promo_returned = totals_of([(NL, 5000), (NL, -2500)], {NL: -30_250_000})
    assert (promo_returned.discount_cents, promo_returned.total_cents) == (-2500, 6050)


@given(st.integers(0, 10**9))
def test_usage_paid_by_promotional_credit_alone_costs_nothing_but_rounding(net_cents: int) -> None:
    gross = micros_of(Decimal(net_cents).scaleb(-2) * NL.factor)
    assert totals_of([(NL, net_cents)], {NL: gross}).total_cents == 0
    assert micros_of_cents(net_cents) <= gross
