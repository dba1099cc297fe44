"""Where a charge comes from: grants in their order, then prepaid; what returns goes back the other way."""

from hypothesis import given
from hypothesis import strategies as st

from app.ledger.debits import Funding, OpenGrant, UsageCharge, fund

MICROS = st.integers(0, 10**9)


@given(MICROS, st.lists(MICROS, max_size=4))
def test_a_charge_is_taken_whole_and_from_grants_first(micros: int, remaining: list[int]) -> None:
    grants = [OpenGrant(number, left) for number, left in enumerate(remaining)]
    funding = fund(UsageCharge(1, micros), grants)
    assert funding.prepaid_micros + funding.promo_micros == micros
    assert funding.promo_micros == min(micros, sum(remaining))
    assert all(grant.remaining_micros >= 0 for grant in grants)


@given(st.data(), MICROS, st.dictionaries(st.integers(1, 4), MICROS, max_size=4))
def test_what_returns_goes_to_prepaid_up_to_what_it_gave_then_to_the_grants_that_gave(
    data: st.DataObject, prepaid: int, grants: dict[int, int]
) -> None:
    returned = data.draw(st.integers(0, prepaid + sum(grants.values())))
    funding = fund(UsageCharge(1, -returned, prepaid, grants), [])
    assert funding.prepaid_micros + funding.promo_micros == -returned
    assert funding.prepaid_micros == -min(returned, prepaid)
    assert all(0 <= -micros <= grants[grant_id] for grant_id, micros in funding.grants.items())


def test_of_several_grants_the_last_that_gave_gets_back_first() -> None:
    charge = UsageCharge(1, -150, 50, {7: 100, 8: 60})
    assert fund(charge, []) == Funding(-50, {8: -60, 7: -40})
