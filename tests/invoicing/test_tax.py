"""The tax engine: who pays which VAT, and when."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.tax import Buyer, Category, Treatment, treatment_of, vat_country
from invoicing.tax_rates import EU_COUNTRIES, RATES, TaxRateMissing, percent_of

ON = date(2026, 10, 1)
BELGIAN_NUMBER = "BE0403019261"
DUTCH_NUMBER = "NL123456782B90"


def test_a_dutch_customer_pays_21_percent_whether_business_or_consumer() -> None:
    for business in (True, False):
        assert treatment_of(Buyer("NL", business, DUTCH_NUMBER), ON) == Treatment("S", Decimal(21))


@pytest.mark.parametrize(("product", "percent"), [("standard", "21"), ("reduced", "9")])
def test_product_categories_have_their_own_dutch_rate(product: str, percent: str) -> None:
    treatment = treatment_of(Buyer("NL", False), ON, product=product)  # type: ignore[arg-type]  # by name
    assert treatment == Treatment("S", Decimal(percent))


def test_a_zero_rate_is_its_own_category() -> None:
    assert treatment_of(Buyer("NL", False), ON, product="zero") == Treatment("Z", Decimal(0))


def test_a_belgian_business_with_a_vat_number_gets_the_tax_reverse_charged() -> None:
    assert treatment_of(Buyer("BE", True, BELGIAN_NUMBER), ON) == Treatment("AE", Decimal(0))
    assert treatment_of(Buyer("be", True, "BE 0403.019.261"), ON).category == Category.REVERSE_CHARGE


@pytest.mark.parametrize("number", [None, "", "BE0403019262", "nonsense", DUTCH_NUMBER])
def test_without_a_foreign_vat_number_a_belgian_business_pays_belgian_vat(number: str | None) -> None:
    assert treatment_of(Buyer("BE", True, number), ON) == Treatment("S", Decimal(21))


def test_a_consumer_with_a_vat_number_is_still_a_consumer() -> None:
    assert treatment_of(Buyer("DE", False, "DE136695976"), ON) == Treatment("S", Decimal(19))


@pytest.mark.parametrize(
    ("country", "percent"),
    [("BE", "21"), ("DE", "19"), ("LU", "17"), ("FR", "20"), ("FI", "25.5"), ("EE", "24"), ("RO", "21")],
)
def test_eu_consumers_pay_the_rate_of_their_own_country(country: str, percent: str) -> None:
    assert treatment_of(Buyer(country, False), ON) == Treatment("S", Decimal(percent))


@pytest.mark.parametrize("country", ["GB", "US", "CH", "NO"])
def test_outside_the_eu_the_tax_does_not_apply(country: str) -> None:
    for business in (True, False):
        assert treatment_of(Buyer(country, business), ON) == Treatment("O", Decimal(0))


def test_a_reseller_of_telecom_is_reverse_charged_at_home_only_with_a_vat_number() -> None:
    def category(*, is_business: bool = True, number: str | None = DUTCH_NUMBER, telecom: bool = True) -> str:
        buyer = Buyer("NL", is_business, number, resells_telecom=True)
        return treatment_of(buyer, ON, is_telecom=telecom).category

    assert category() == "AE"
    assert category(number=None) == category(is_business=False) == category(telecom=False) == "S"


def test_a_rate_holds_from_its_own_day_on() -> None:
    assert percent_of("EE", date(2025, 6, 30)) == 22
    assert percent_of("EE", date(2025, 7, 1)) == 24
    assert percent_of("NL", date(2018, 12, 31), "reduced") == 6
    assert percent_of("NL", date(2019, 1, 1), "reduced") == 9


def test_an_unknown_rate_is_an_error_and_not_zero() -> None:
    with pytest.raises(TaxRateMissing):
        percent_of("NL", date(1999, 1, 1))


def test_a_country_without_a_checked_rate_of_a_kind_asks_its_standard_rate() -> None:
    assert {rate.country for rate in RATES if rate.product == "reduced"} == {"NL", "DE"}
    assert percent_of("BE", ON, "reduced") == 21
    assert percent_of("DK", ON, "reduced") == 25
    assert percent_of("BE", ON, "zero") == 21


def test_all_27_members_have_a_standard_rate_that_the_directive_allows() -> None:
    assert len(EU_COUNTRIES) == 27
    assert all(15 <= percent_of(country, ON) <= 27 for country in EU_COUNTRIES)


def test_greek_numbers_begin_with_el_and_stand_for_gr() -> None:
    assert vat_country("EL094259216") == "GR"


def test_a_percentage_outside_0_to_100_is_refused() -> None:
    with pytest.raises(ValueError, match="no VAT percentage"):
        Treatment("S", Decimal(100))


days = st.dates(date(2025, 1, 1), date(2030, 12, 31))


@given(country=st.sampled_from(sorted(EU_COUNTRIES)), day=days)
def test_a_rate_changes_only_on_the_day_a_row_begins(country: str, day: date) -> None:
    changes = {row.since for row in RATES if row.country == country and row.product == "standard"}
    if percent_of(country, day) != percent_of(country, day + timedelta(days=1)):
        assert day + timedelta(days=1) in changes


@given(
    country=st.one_of(st.sampled_from(sorted(EU_COUNTRIES)), st.sampled_from(["GB", "US", "JP"])),
    is_business=st.booleans(),
    number=st.one_of(st.none(), st.sampled_from([BELGIAN_NUMBER, DUTCH_NUMBER, "DE136695976", "x"])),
    resells_telecom=st.booleans(),
    day=days,
)
def test_every_customer_has_one_treatment_and_only_taxed_ones_have_a_rate(
    country: str, *, is_business: bool, number: str | None, resells_telecom: bool, day: date
) -> None:
    treatment = treatment_of(Buyer(country, is_business, number, resells_telecom), day)
    assert (treatment.percent > 0) == (treatment.category == Category.STANDARD)
    assert treatment.factor >= 1
