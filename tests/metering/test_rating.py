"""Rating: every price model charges G(total), whatever the order, grouping or number of events."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.prices import Definition, Graduated, Package, Percentage, PerUnit, Tier, Volume
from metering.rating import EXACT, Usage, gross_function, gross_micros, lines_of, net_of

RATES = st.sampled_from([Decimal(0), Decimal(9), Decimal(21), Decimal("25.5")])
AMOUNTS = st.decimals(0, 1000, places=12)
QUANTITIES = st.decimals(0, 10**6, places=6)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    ends = sorted(draw(st.sets(st.integers(1, 10**6), max_size=4)))
    return tuple(
        Tier(None if end is None else Decimal(end), draw(AMOUNTS), draw(AMOUNTS)) for end in [*ends, None]
    )


DEFINITIONS: st.SearchStrategy[Definition] = st.one_of(
    st.builds(PerUnit, AMOUNTS),
    st.builds(Graduated, tiers()),
    st.builds(Volume, tiers()),
    st.builds(Package, st.decimals("0.001", 1000, places=3), AMOUNTS),
    st.builds(Percentage, AMOUNTS, AMOUNTS),
)


def charges(definition: Definition, quantities: list[Decimal], rate: Decimal) -> list[int]:
    """Charge events one by one, as they are recorded."""
    gross = gross_function(definition, rate)
    total, made = Decimal(0), []
    for number, quantity in enumerate(quantities):
        before = gross(total, number)
        total = EXACT.add(total, quantity)
        made.append(gross(total, number + 1) - before)
    return made


@given(DEFINITIONS, st.lists(QUANTITIES, max_size=20), RATES, st.randoms())
def test_the_charges_of_a_period_add_up_to_the_price_of_its_total_in_any_order(
    definition: Definition, quantities: list[Decimal], rate: Decimal, random: object
) -> None:
    total = Usage(sum(quantities, Decimal(0)), len(quantities))
    expected = gross_micros(definition, total, rate)
    assert sum(charges(definition, quantities, rate)) == expected
    shuffled = sorted(quantities, key=lambda _: random.random())  # type: ignore[attr-defined]  # st.randoms has no type
    assert sum(charges(definition, shuffled, rate)) == expected


@given(DEFINITIONS, QUANTITIES, st.integers(0, 1000), RATES)
def test_the_lines_of_an_invoice_are_the_price_and_the_price_is_what_was_charged(
    definition: Definition, quantity: Decimal, events: int, rate: Decimal
) -> None:
    usage = Usage(quantity, events)
    lines = lines_of(definition, usage)
    for line in lines:
        assert line.net == EXACT.multiply(line.quantity, line.unit_amount)
    net = net_of(definition, usage)
    assert sum((line.net for line in lines), Decimal(0)).compare(net, EXACT) == 0
    micros = EXACT.multiply(net, EXACT.multiply(100 + rate, Decimal(10_000)))
    assert gross_micros(definition, usage, rate) == int(micros.to_integral_value(ROUND_HALF_UP))


@given(st.lists(QUANTITIES, min_size=1, max_size=20), RATES)
def test_voiding_every_event_returns_every_micro(quantities: list[Decimal], rate: Decimal) -> None:
    definition = Volume((Tier(Decimal(1000), Decimal("0.013")), Tier(None, Decimal("0.007"), Decimal(2))))
    gross = gross_function(definition, rate)
    balance = -sum(charges(definition, quantities, rate))
    total, events = sum(quantities, Decimal(0)), len(quantities)
    for quantity in quantities:
        before = gross(total, events)
        total, events = total - quantity, events - 1
        balance -= gross(total, events) - before
    assert balance == 0


def test_prices_far_below_a_micro_lose_neither_net_nor_vat() -> None:
    definition = PerUnit(Decimal("0.000000001"))
    made = charges(definition, [Decimal(1)] * 1_000_000, Decimal(21))
    assert sum(made) == 1_210  # 0.001 net, 0.00021 VAT
    assert set(made) == {0, 1}


@pytest.mark.parametrize(
    ("quantity", "net"),
    [("0", "0"), ("0.5", "6"), ("10", "15"), ("10.5", "15.25"), ("20", "20"), ("30", "22")],
)
def test_a_graduated_tier_ends_with_its_last_unit_and_its_flat_amount_is_due_on_entering(
    quantity: str, net: str
) -> None:
    definition = Graduated(
        (
            Tier(Decimal("0.5"), Decimal(2), Decimal(5)),
            Tier(Decimal(10), Decimal("0.947368421053")),
            Tier(Decimal(20), Decimal("0.5")),
            Tier(None, Decimal("0.2")),
        )
    )
    assert net_of(definition, Usage(Decimal(quantity), 1)).quantize(Decimal("0.0001")) == Decimal(net)


def test_a_volume_price_may_fall_when_a_cheaper_tier_takes_all_units() -> None:
    definition = Volume((Tier(Decimal(100), Decimal("0.02")), Tier(None, Decimal("0.01"))))
    assert charges(definition, [Decimal(100), Decimal(1)], Decimal(0)) == [2_000_000, -990_000]


def test_a_package_that_is_begun_is_paid() -> None:
    definition = Package(Decimal(100), Decimal(3))
    nets = [net_of(definition, Usage(Decimal(quantity), 1)) for quantity in (0, 1, 100, "100.001", 250)]
    assert nets == [0, 3, 3, 6, 9]


def test_a_percentage_is_of_the_value_and_its_fixed_amount_is_per_event() -> None:
    definition = Percentage(Decimal("2.9"), Decimal("0.25"))
    assert net_of(definition, Usage(Decimal(200), 3)) == Decimal("6.55")


def test_the_replayed_month_costs_what_it_must() -> None:
    prompt = Graduated((Tier(Decimal(10_000_000), Decimal("0.000002")), Tier(None, Decimal("0.0000015"))))
    lines = lines_of(prompt, Usage(Decimal(18_059_974), 8_819))
    assert [(line.quantity, line.net) for line in lines] == [
        (Decimal(10_000_000), Decimal(20)),
        (Decimal(8_059_974), Decimal("12.089961")),
    ]
    assert lines[1].above == Decimal(10_000_000)
    assert lines[1].up_to is None
