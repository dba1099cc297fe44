"""Lists: newest first, paged with links the client follows; methods by Mollie's own names."""

from typing import Any

import pytest
from mollie.api.error import BadRequestError, NotFoundError

from topups.sandbox.server import Running


def test_pages_are_followed_to_the_end_and_back(mollie: Any, pay: Any, running: Running) -> None:
    made = [pay().id for _ in range(5)]
    page = mollie.payments.list(limit=2)
    assert set(page.keys()) == {"count", "_embedded", "_links"}
    assert set(page["_links"]) == {"self", "previous", "next", "documentation"}
    assert page["_links"]["next"]["href"].startswith(f"{running.url}/v2/payments?")
    seen, pages = [], [page]
    while page is not None:
        seen += [each.id for each in page]
        page = page.get_next()
        if page is not None:
            pages.append(page)
    assert seen == made[::-1]
    assert [len(each) for each in pages] == [2, 2, 1]
    assert pages[0].get_previous() is None
    assert [each.id for each in pages[2].get_previous()] == seen[2:4]
    assert [each.id for each in mollie.payments.list(sort="asc")] == made


def test_links_begin_as_the_client_addressed_the_sandbox(mollie: Any, pay: Any, running: Running) -> None:
    pay()
    pay()
    by_name = running.url.replace("127.0.0.1", "localhost")
    mollie.set_api_endpoint(by_name)
    page = mollie.payments.list(limit=1)
    assert page["_links"]["next"]["href"].startswith(f"{by_name}/v2/")
    assert page.get_next().count == 1


def test_embeds_stay_in_the_links(mollie: Any, pay: Any) -> None:
    pay()
    pay()
    following = mollie.payments.list(limit=1, embed="refunds").get_next()
    assert following[0].get_embedded("refunds") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [({"limit": 251}, "limit"), ({"limit": 0}, "limit"), ({"from": "tr_nothing"}, "from")],
)
def test_a_wrong_page_is_a_bad_request(mollie: Any, query: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        mollie.payments.list(**query)
    assert refused.value.field == field


def ids(listed: Any) -> list[str]:
    return [each.id for each in listed]


def test_methods_fit_what_they_are_wanted_for(mollie: Any) -> None:
    assert ids(mollie.methods.list()) == ["ideal", "creditcard", "bancontact", "paypal", "banktransfer"]
    assert ids(mollie.methods.list(sequenceType="first")) == ["ideal", "creditcard", "bancontact", "paypal"]
    assert ids(mollie.methods.list(sequenceType="recurring")) == ["creditcard", "paypal", "directdebit"]
    nothing = {"value": "0.00", "currency": "EUR"}
    assert ids(mollie.methods.list(sequenceType="first", amount=nothing)) == ["creditcard", "paypal"]
    large = {"value": "60000.00", "currency": "EUR"}
    assert ids(mollie.methods.list(amount=large)) == ["banktransfer"]
    assert len(mollie.methods.all()) == 6


def test_methods_are_called_what_mollie_calls_them(mollie: Any) -> None:
    assert [each.description for each in mollie.methods.list(locale="nl_NL")] == [
        *("iDEAL | Wero", "Kaart", "Bancontact", "PayPal", "Overboeking"),
    ]
    ideal = mollie.methods.get("ideal", locale="en_GB", include="pricing")
    assert set(ideal) == {
        *("resource", "id", "description", "minimumAmount", "maximumAmount", "image", "status", "pricing"),
        "_links",
    }
    assert (ideal.minimum_amount["value"], ideal.maximum_amount["value"]) == ("0.01", "50000.00")
    with pytest.raises(NotFoundError):
        mollie.methods.get("cash")
