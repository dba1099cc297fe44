"""Many postings in a batch: written as if each had been posted alone, all of them or none."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from flask import Flask
from msgspec.structs import replace
from psycopg.errors import UniqueViolation
from sqlalchemy import select

from app.db import db, in_unit_of_work, unit_of_work
from app.ledger import service as ledger
from app.ledger.accounts import open_account
from app.ledger.holds import place_hold
from app.ledger.models import BalanceRow, Transfer
from app.ledger.movements import Span, moved_by_kind
from app.ledger.postings import PostingBatch
from app.ledger.sides import Posting, Side
from tests.fixtures.product import Clock

SIDES = [Side.PREPAID, Side.CREDITS, Side.RECEIVABLE, Side.PSP, Side.REVENUE, Side.UNBILLED_USAGE]
COLUMNS = {c.name for c in BalanceRow.__table__.columns} - {"customer_id", "attention_at"}


@pytest.fixture
def customers(app: Flask) -> list[int]:
    with unit_of_work():
        return [_open(f"c{number}") for number in range(6)]


def _open(reference: str) -> int:
    facts = {"reference": reference, "name": "N", "email": "n@example.nl", "kind": "business"}
    customer_id = open_account(facts).customer_id
    ledger.lock_balance(customer_id)
    for side in (Side.PREPAID, Side.CREDITS):
        ledger.post(_posting(customer_id, Side.PSP, side, 10**9, f"first-{side}"))
    return customer_id


def _posting(customer_id: int, debit: Side, credit: Side, micros: int, reference: str) -> Posting:
    return Posting(
        customer_id=customer_id,
        kind="test",
        debit=debit,
        credit=credit,
        amount_micros=micros,
        reference=reference,
    )


def state_of(customer_id: int) -> tuple[dict[str, object], bool, list[tuple[int | str, ...]]]:
    """The balance, whether it asks for a look, the transfers."""
    db.session.rollback()
    row = db.session.get_one(BalanceRow, customer_id, populate_existing=True)
    transfers = db.session.scalars(
        select(Transfer).where(Transfer.customer_id == customer_id).order_by(Transfer.number)
    )
    told: list[tuple[int | str, ...]] = [
        (t.number, t.debit, t.credit, t.amount_micros, t.reference, t.balance_after_micros) for t in transfers
    ]
    return {name: getattr(row, name) for name in COLUMNS}, row.attention_at is not None, told


def test_a_batch_writes_what_the_postings_alone_would_have_written(customers: list[int]) -> None:
    random = Random(20261101)  # noqa: S311 -- only amounts
    alone, together = customers[:3], customers[3:]
    moves: list[tuple[int, Side, Side, int, str]] = []
    for number in range(60):
        debit, credit = random.sample(SIDES, 2)
        moves.append((number % 3, debit, credit, random.randint(1, 10**6), f"move-{number}"))
    with unit_of_work():
        ledger.lock_balances(alone)
        for at, debit, credit, micros, reference in moves:
            ledger.post(_posting(alone[at], debit, credit, micros, reference))
    with unit_of_work():
        batch = PostingBatch(ledger.lock_balances(together))
        for at, debit, credit, micros, reference in moves:
            batch.post(_posting(together[at], debit, credit, micros, reference))
        expected = [batch.prepaid_micros(customer_id) for customer_id in together]
        batch.write(datetime.now(UTC))
    assert [state_of(one) for one in together] == [state_of(one) for one in alone]
    assert [ledger.get_balance(one).prepaid_micros for one in together] == expected


@pytest.mark.parametrize(
    ("side", "micros", "mark", "looks"),
    [
        (Side.PREPAID, 3, 10**9 - 8, []),
        (Side.PREPAID, 4, 10**9 - 8, ["alone", "together"]),
        (Side.CREDITS, 4, 10**9 - 8, []),
        (Side.PREPAID, 4, 10**9, []),
        (Side.PREPAID, 4, None, []),
    ],
)
def test_a_balance_that_falls_through_its_mark_asks_for_a_look_posted_alone_or_in_a_batch(
    customers: list[int], side: Side, micros: int, mark: int | None, looks: list[str]
) -> None:
    alone, together = customers[:2]
    moves = [_posting(alone, side, Side.REVENUE, micros, f"fall-{number}") for number in range(2)]
    with unit_of_work():
        for customer_id in (alone, together):
            ledger.lock_balance(customer_id)
            ledger.post(_posting(customer_id, Side.PREPAID, Side.PSP, 1, "below"))
            ledger.set_marks(customer_id, low_mark_micros=0, attention_mark_micros=mark)
            ledger.clear_attention(customer_id)
    with unit_of_work():
        batch = PostingBatch(ledger.lock_balances([alone, together]))
        for move in moves:
            ledger.post(move)
            batch.post(replace(move, customer_id=together))
        batch.write(datetime.now(UTC))
    asked = {"alone": state_of(alone)[1], "together": state_of(together)[1]}
    assert [name for name, asks in asked.items() if asks] == looks
    assert state_of(together) == state_of(alone)


def test_what_is_held_is_no_part_of_the_balance_that_falls(customers: list[int]) -> None:
    alone, together = customers[:2]
    with unit_of_work():
        ledger.lock_balances([alone, together])
        for customer_id in (alone, together):
            ledger.set_marks(customer_id, low_mark_micros=0, attention_mark_micros=10**9 - 8)
            place_hold(customer_id, 6, expires_at=datetime.now(UTC) + timedelta(hours=1), reference="hold")
            ledger.clear_attention(customer_id)
    with unit_of_work():
        batch = PostingBatch(ledger.lock_balances([alone, together]))
        ledger.post(_posting(alone, Side.PREPAID, Side.REVENUE, 3, "fall"))
        batch.post(_posting(together, Side.PREPAID, Side.REVENUE, 3, "fall"))
        batch.write(datetime.now(UTC))
    assert (state_of(alone)[1], state_of(together)[1]) == (True, True)


def test_balances_that_are_not_locked_are_not_changed(customers: list[int]) -> None:
    with unit_of_work():
        balances = ledger.get_balances(customers)
        with pytest.raises(RuntimeError, match="locks"):
            PostingBatch(balances)
        batch = PostingBatch(ledger.lock_balances(customers[:1]))
        with pytest.raises(KeyError):
            batch.post(_posting(customers[1], Side.PSP, Side.PREPAID, 1, "a"))


def test_a_reference_that_was_used_before_leaves_nothing_of_the_batch(customers: list[int]) -> None:
    before = [state_of(one) for one in customers]

    def post() -> None:
        batch = PostingBatch(ledger.lock_balances(customers))
        batch.post(_posting(customers[0], Side.PSP, Side.PREPAID, 5, "new"))
        batch.post(_posting(customers[1], Side.PSP, Side.PREPAID, 5, f"first-{Side.PREPAID}"))
        batch.write(datetime.now(UTC))

    with pytest.raises(UniqueViolation):
        in_unit_of_work(post)
    assert [state_of(one) for one in customers] == before


def test_a_batch_is_written_once(customers: list[int]) -> None:
    with unit_of_work():
        batch = PostingBatch(ledger.lock_balances(customers))
        batch.post(_posting(customers[0], Side.PSP, Side.PREPAID, 5, "new"))
        batch.write(datetime.now(UTC))
        batch.write(datetime.now(UTC))
        with pytest.raises(KeyError):
            batch.post(_posting(customers[0], Side.PSP, Side.PREPAID, 5, "newer"))
    assert ledger.get_balance(customers[0]).prepaid_micros == 10**9 + 5


def test_what_moved_balances_beside_usage_is_told_by_kind_inside_a_span_and_as_a_sum_after_it(
    customers: list[int], clock: Clock
) -> None:
    begin = datetime(2027, 3, 1, tzinfo=UTC)
    mine, other = customers[:2]
    for day, kind, debit, credit, reference in (
        (-1, "top_up", Side.PSP, Side.PREPAID, "topup-before"),
        (0, "top_up", Side.PSP, Side.PREPAID, "topup-first-day"),
        (3, "usage", Side.PREPAID, Side.UNBILLED_USAGE, "usage-77"),
        (4, "refund", Side.PREPAID, Side.PSP, "vat-refund"),
        (5, "rounding", Side.PREPAID, Side.UNBILLED_USAGE, "close-rounding"),
        (6, "invoice", Side.UNBILLED_USAGE, Side.VAT, "close-vat"),
        (31, "grant", Side.PROMOTIONS, Side.PROMO, "grant-1"),
    ):
        clock.travel_to(begin + timedelta(days=day))
        with unit_of_work():
            ledger.lock_balance(mine)
            posting = Posting(
                customer_id=mine, kind=kind, debit=debit, credit=credit, amount_micros=7, reference=reference
            )
            if kind != "grant":
                ledger.post(posting)
            else:
                ledger.grant(mine, 9, reason="x", reference="x")
    spans = [Span(one, begin, begin + timedelta(days=31)) for one in (mine, other)]
    moved = moved_by_kind(spans, leaving_out=["rounding"])
    assert {kind: micros for kind, micros in moved[mine].inside.items() if micros} == {
        "top_up": 7,
        "refund": -7,
    }
    assert (moved[mine].after_micros, moved[other].inside, moved[other].after_micros) == (9, {}, 0)
