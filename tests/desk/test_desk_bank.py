"""The desk's bank queue: statements are read, a person says whose a transfer is, and takes a mistake back."""

import html
import io
import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.db import db
from invoicing import bank_queue
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.invoicing.statements import ANNA, BRAM, MOLLIE, Ntry, Tx, paid, statement
from tests.portal.people import operator, sign_in, token_of
from tests.portal.test_queries import counted


@pytest.fixture
def staff(shop: Shop) -> FlaskClient:
    """An operator's browser; acme and bravo owe €42.40 each."""
    for reference in ("acme", "bravo"):
        shop.customer(reference, locale="en")
        shop.use_42_40(reference)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    operator()
    client = shop.app.test_client()
    sign_in(client, "staff@tegoed.example")
    return client


def upload(shop: Shop, staff: FlaskClient, content: bytes, name: str = "november.xml") -> TestResponse:
    page = staff.get("/desk/bank")
    data = {"csrf_token": token_of(page), "file": (io.BytesIO(content), name)}
    answer = staff.post("/desk/bank", data=data, content_type="multipart/form-data")
    shop.run_jobs()
    return answer


def text(page: TestResponse) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).replace("\xa0", " ").split())


def first_entry(staff: FlaskClient, show: str = "queued") -> str:
    db.session.rollback()
    found = re.search(r'href="(/desk/bank/[0-9a-f-]{36})"', staff.get(f"/desk/bank?show={show}").text)
    assert found
    return found[1]


def post(staff: FlaskClient, address: str, entry: str, **fields: str) -> TestResponse:
    fields["csrf_token"] = token_of(staff.get(entry))
    return staff.post(f"{entry}/{address}", data=fields)


def cents(shop: Shop, reference: str) -> tuple[int, int]:
    balance = shop.balance(reference)
    return balance.receivable_micros // 10_000, balance.prepaid_micros // 10_000


def test_an_upload_says_what_became_of_each_transfer(shop: Shop, staff: FlaskClient) -> None:
    number = shop.invoice("acme").number
    payout = paid("7.00", name="Stichting Mollie Payments", iban=MOLLIE)
    content = statement(paid("42.40", number), paid("1.00", "?"), payout)
    answer = upload(shop, staff, content)
    assert answer.status_code == 303
    run = text(staff.get(answer.location))
    assert "3 booked, 1 matched, 1 to be matched by hand, 1 others, 0 known already" in run
    assert f"{number} by the invoice number" in run
    again = upload(shop, staff, content)
    assert "0 booked, 0 matched, 0 to be matched by hand, 0 others, 3 known already" in text(
        staff.get(again.location)
    )
    assert "1 transfer is to be matched by hand." in text(staff.get("/desk/bank"))
    assert cents(shop, "acme") == (0, 0)


OF_ANOTHER_ACCOUNT = statement(paid("1.00")).replace(b"NL00BANK", b"NL00BUNQ")


@pytest.mark.parametrize("content", [b"%PDF-1.7", b"", OF_ANOTHER_ACCOUNT])
def test_what_is_no_statement_of_ours_is_said_beside_the_field(
    shop: Shop, staff: FlaskClient, content: bytes
) -> None:
    answer = upload(shop, staff, content)
    assert answer.status_code == 422
    assert 'class="wrong"' in answer.text


def test_a_suggestion_is_followed_with_one_button(shop: Shop, staff: FlaskClient) -> None:
    upload(shop, staff, statement(paid("42.40", "rent", name="BRAVO b.v.")))
    entry = first_entry(staff)
    page = text(staff.get(entry))
    assert "Give to Bravo B.V. The payer has this customer's name." in page
    number = shop.invoice("bravo").number
    assert f"Give to Bravo B.V., {number} Exactly this amount is open." in page
    assert post(staff, "assign", entry, customer="bravo", invoice=number).status_code == 303
    assert cents(shop, "bravo") == (0, 0)
    page = text(staff.get(entry))
    assert "Matched: " + number in page
    assert "staff@tegoed.example" in page
    # The account is known from now on.
    upload(shop, staff, statement(paid("5.00", "more", iban=ANNA)))
    assert "This account has paid for this customer before." in text(staff.get(first_entry(staff)))


def test_a_wrong_customer_is_undone_and_the_right_one_chosen(shop: Shop, staff: FlaskClient) -> None:
    upload(shop, staff, statement(paid("50.00", "?")))
    entry = first_entry(staff)
    post(staff, "assign", entry, customer="acme", invoice="")
    assert cents(shop, "acme") == (0, 760)
    assert post(staff, "undo", entry).status_code == 303
    assert cents(shop, "acme") == (4240, 0)
    post(staff, "assign", entry, customer="bravo", invoice="", to_balance="y")
    assert cents(shop, "bravo") == (4240, 5000)
    history = text(staff.get(entry))
    assert history.index("Undone") > history.index("Matched")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"customer": ""}, 422),
        ({"customer": "nobody"}, 422),
        ({"customer": "acme", "invoice": "F2026-999999"}, 422),
        ({"customer": "acme", "invoice": "x", "to_balance": "y"}, 422),
    ],
)
def test_a_mistake_in_the_form_is_said_beside_it(
    shop: Shop, staff: FlaskClient, fields: dict[str, str], status: int
) -> None:
    upload(shop, staff, statement(paid("50.00", "?")))
    answer = post(staff, "assign", first_entry(staff), **fields)
    assert answer.status_code == status
    assert 'class="wrong"' in answer.text
    assert cents(shop, "acme") == (4240, 0)


def test_another_customers_invoice_takes_no_ones_money(shop: Shop, staff: FlaskClient) -> None:
    upload(shop, staff, statement(paid("50.00", "?")))
    answer = post(staff, "assign", first_entry(staff), customer="acme", invoice=shop.invoice("bravo").number)
    assert answer.status_code == 422


def test_a_transfer_that_somebody_else_dealt_with_is_not_given_twice(shop: Shop, staff: FlaskClient) -> None:
    upload(shop, staff, statement(paid("50.00", "?")))
    entry = first_entry(staff)
    post(staff, "assign", entry, customer="acme")
    answer = post(staff, "assign", entry, customer="bravo")
    assert answer.status_code == 409
    assert post(staff, "set-aside", entry, reason="mine").status_code == 409
    assert cents(shop, "bravo") == (4240, 0)


def test_what_is_not_from_a_customer_is_set_aside_with_its_reason(shop: Shop, staff: FlaskClient) -> None:
    upload(shop, staff, statement(paid("0.37", "interest", name="Bank")))
    entry = first_entry(staff)
    assert post(staff, "set-aside", entry, reason="").status_code == 422
    post(staff, "set-aside", entry, reason="Interest of October")
    page = text(staff.get(entry))
    assert "Not from a customer: Interest of October staff@tegoed.example" in page
    assert first_entry(staff, "other") == entry
    post(staff, "undo", entry)
    assert first_entry(staff) == entry


def test_a_reversal_is_matched_by_hand_with_the_payment_it_takes_back(shop: Shop, staff: FlaskClient) -> None:
    number = shop.invoice("acme").number
    upload(shop, staff, statement(paid("42.40", number, iban=ANNA)))
    back = Ntry(txs=(Tx(amount="42.40", iban=BRAM),), sign="DBIT", reversal=True)
    upload(shop, staff, statement(back))
    entry = first_entry(staff)
    page = staff.get(entry)
    found = re.search(r'action="(/desk/bank/[0-9a-f-]+/take-back/[0-9a-f-]+)"', page.text)
    assert found
    assert staff.post(found[1], data={"csrf_token": token_of(page)}).status_code == 303
    assert cents(shop, "acme") == (4240, 0)
    original = found[1].rpartition("/")[2]
    assert "nothing left to undo" in text(
        staff.post(
            f"/desk/bank/{original}/undo",
            data={"csrf_token": token_of(staff.get("/desk/bank"))},
            follow_redirects=True,
        )
    )


def test_a_part_of_a_payment_is_taken_back_by_hand_and_never_more_than_there_is(
    shop: Shop, staff: FlaskClient
) -> None:
    number = shop.invoice("acme").number
    upload(shop, staff, statement(paid("42.40", number, iban=ANNA)))
    original = ""
    for amount in ("12.40", "30.01", "30.00"):
        back = Ntry(txs=(Tx(amount=amount, iban=BRAM),), sign="DBIT", reversal=True, reference=amount)
        upload(shop, staff, statement(back))
        page = staff.get(first_entry(staff))
        found = re.search(r'action="(/desk/bank/[0-9a-f-]+/take-back/[0-9a-f-]+)"', page.text)
        if amount == "30.01":
            assert found is None, "more than is left is not offered"
            entry = first_entry(staff)
            forced = f"{entry}/take-back/{original}"
            answer = staff.post(forced, data={"csrf_token": token_of(page)}, follow_redirects=True)
            assert "more than is left" in text(answer)
            staff.post(f"{entry}/set-aside", data={"csrf_token": token_of(page), "reason": "a test"})
            continue
        assert found
        original = found[1].rpartition("/")[2]
        assert f"Take back €{amount} of the €42.40" in text(page)
        staff.post(found[1], data={"csrf_token": token_of(page)})
        assert cents(shop, "acme") == ((1240, 0) if amount == "12.40" else (4240, 0))


def test_a_long_queue_is_paged_and_costs_few_statements(shop: Shop, staff: FlaskClient) -> None:
    number = shop.invoice("acme").number
    upload(shop, staff, statement(paid("1.00", number, iban=ANNA)))
    many = [
        paid(f"{n + 10}.00", f"{number} {shop.invoice('bravo').number}", iban=ANNA if n % 2 else BRAM)
        for n in range(30)
    ]
    upload(shop, staff, statement(*many, paid("42.40", "RF18T1001"), paid("41.40", "x", iban=BRAM)))
    staff.get("/desk/bank")
    with counted() as sent:
        page = staff.get("/desk/bank")
    assert len(sent) <= 12, "\n".join(sent)
    older = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert older
    rest = staff.get(older[1].replace("&amp;", "&"))
    rows = [len(re.findall(r'class="lead"><a', one.text)) for one in (page, rest)]
    assert rows == [25, 7]
    with counted() as sent:
        staff.get(first_entry(staff))
    assert len(sent) <= 24
    assert len(bank_queue.page("queued", limit=100)[0]) == 32


def test_nobody_else_sees_it(shop: Shop, staff: FlaskClient) -> None:
    upload(shop, staff, statement(paid("1.00", "?")))
    for path in ("/desk/bank", first_entry(staff)):
        assert shop.app.test_client().get(path).status_code == 302
    assert staff.get("/desk/bank?after=x").status_code == 404
    assert staff.get(f"/desk/bank/{'0' * 8}-0000-0000-0000-{'0' * 12}").status_code == 404
