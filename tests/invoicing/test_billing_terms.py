"""Terms per kind of charge: what is usual without a word, what was agreed where something was."""

from flask.testing import FlaskClient

from app.db import db, in_unit_of_work
from invoicing.billing_terms import set_terms, terms_of, terms_of_each
from tests.fixtures.shop import Shop


def test_usual_terms_need_no_agreement(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    usual = {"term_days": None, "auto_pay": False, "uses_balance": True}
    assert api.get("/v1/customers/acme/billing-terms").get_json() == {
        "usage": usual | {"documents": "separate"},
        "subscription": usual | {"documents": "separate"},
        "one_off": usual | {"documents": "together"},
    }


def test_agreed_terms_hold_for_their_kind_of_charge_alone_and_what_is_left_out_stays(
    shop: Shop, api: FlaskClient
) -> None:
    acme = shop.customer("acme")
    for change in (
        {"subscription": {"documents": "together", "term_days": 30}},
        {"subscription": {"uses_balance": True}, "one_off": {"uses_balance": False}},
    ):
        assert api.patch("/v1/customers/acme/billing-terms", json=change).status_code == 200
    in_unit_of_work(set_terms, acme, "subscription", {"auto_pay": True})
    agreed = terms_of(acme, "subscription")
    assert (agreed.is_separate, agreed.term_days, agreed.auto_pay) == (False, 30, True)
    assert terms_of_each([acme], "subscription") == {acme: agreed}
    assert not terms_of(acme, "one_off").uses_balance
    assert terms_of_each([acme], "usage") == {}
    api.patch("/v1/customers/acme/billing-terms", json={"subscription": {"term_days": None}})
    db.session.rollback()
    assert terms_of(acme, "subscription").term_days is None


def test_what_is_no_term_is_refused_by_name(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    for wrong, field in (
        ({"subscription": {"term_days": 121}}, "term_days"),
        ({"subscription": {"term_days": "14"}}, "term_days"),
        ({"subscription": {"uses_balance": "yes"}}, "uses_balance"),
        ({"subscription": {"auto_pay": True}}, "auto_pay"),
        ({"one_off": {"documents": "both"}}, "documents"),
        ({"one_off": {"is_separate": True}}, "is_separate"),
        ({"one_off": "together"}, "one_off"),
        ({"usage": {"documents": "together"}}, "is_separate"),
        ({"usage": {"colour": "blue"}}, "colour"),
        ({"tips": {}}, "tips"),
    ):
        answer = api.patch("/v1/customers/acme/billing-terms", json=wrong)
        assert (answer.status_code, answer.get_json()["field"]) == (422, field)
    assert api.get("/v1/customers/house/billing-terms").status_code == 404
