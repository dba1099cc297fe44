"""Bank statements of every version say what moved, and the same movement is the same in every file."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.camt import MAX_BYTES, Movement, NotAStatement, parse
from tests.invoicing.statements import ANNA, BRAM, OURS, Ntry, Stmt, Tx, camt, paid, statement


def movements(content: bytes) -> list[Movement]:
    return [movement for one in parse(content) for movement in one.movements]


def keys(content: bytes) -> list[tuple[str, int]]:
    return [(movement.key, movement.part) for movement in movements(content)]


@pytest.mark.parametrize("version", [2, 4, 6, 8, 11])
@pytest.mark.parametrize("prefix", ["", "ns2"])
def test_every_version_says_the_same(version: int, prefix: str) -> None:
    entry = Ntry(
        txs=(
            Tx(amount="42.40", text="factuur F2026-000001", structured="RF18F2026000001", end_to_end="E-1"),
        ),
        reference="REF1",
    )
    (found,) = movements(camt(Stmt(entries=(entry,)), version=version, prefix=prefix))
    assert (found.amount_cents, found.booked_on, found.reversal) == (4240, date(2026, 11, 3), False)
    assert (found.counterparty_iban, found.counterparty_name) == (ANNA, "Acme B.V.")
    assert (found.text, found.structured, found.end_to_end_id) == (
        "factuur F2026-000001",
        "RF18F2026000001",
        "E-1",
    )
    assert (found.bank_reference, found.transactions) == ("REF1", 1)
    assert parse(camt(Stmt(entries=(entry,)), version=version, prefix=prefix))[0].iban == OURS


def test_what_is_pending_is_left_out_and_what_went_out_is_below_zero() -> None:
    content = statement(
        Ntry(txs=(Tx(amount="5.00"),), status="PDNG"),
        Ntry(txs=(Tx(amount="6.00"),), status="INFO"),
        Ntry(txs=(Tx(amount="7.00", iban=BRAM, name="Bram"),), sign="DBIT"),
        version=8,
    )
    (found,) = movements(content)
    assert (found.amount_cents, found.counterparty_iban, found.counterparty_name) == (-700, BRAM, "Bram")


def test_a_batch_is_split_where_its_parts_add_up_and_kept_whole_where_not() -> None:
    batch = (Tx(amount="10.00", text="one"), Tx(amount="2.50", text="two", iban=BRAM))
    split = movements(statement(Ntry(txs=batch, reference="B")))
    assert [(m.amount_cents, m.text, m.part, m.transactions) for m in split] == [
        (1000, "one", 1, 1),
        (250, "two", 2, 1),
    ]
    assert len({m.key for m in split}) == 1
    (whole,) = movements(statement(Ntry(txs=batch, reference="B", amount="12.00")))
    assert (whole.amount_cents, whole.transactions, whole.text, whole.counterparty_iban) == (
        1200,
        2,
        "one two",
        "",
    )


@pytest.mark.parametrize("version", [2, 8])
def test_a_reversal_and_a_return_are_told_from_a_payment(version: int) -> None:
    content = statement(
        Ntry(txs=(Tx(amount="5.00"),), sign="DBIT", reversal=True),
        Ntry(txs=(Tx(amount="6.00", returned="AC04"),), sign="DBIT"),
        Ntry(txs=(Tx(amount="7.00"),), reversal=True),
        version=version,
    )
    assert [(m.amount_cents, m.reversal, m.reason_code) for m in movements(content)] == [
        (-500, True, ""),
        (-600, True, "AC04"),
        (700, True, ""),
    ]


def test_a_reversal_that_keeps_the_payments_roles_still_names_the_other_side() -> None:
    content = statement(Ntry(txs=(Tx(amount="5.00"),), sign="DBIT", reversal=True)).replace(b"Cdtr", b"Dbtr")
    assert movements(content)[0].counterparty_iban == ANNA


def test_the_same_payment_has_the_same_key_in_every_file() -> None:
    first, second = paid("5.00", "a", reference="R1"), paid("5.00", "a", reference="R2")
    plain = paid("9.00", "no reference")
    one = statement(first, plain)
    overlapping = statement(plain, second, first, version=8)
    assert set(keys(one)) < set(keys(overlapping))
    assert len(set(keys(overlapping))) == 3


def test_equal_payments_without_a_reference_are_counted_not_merged() -> None:
    one, two = statement(paid("5.00", "coffee")), statement(paid("5.00", "coffee"), paid("5.00", "coffee"))
    assert len(set(keys(two))) == 2
    assert keys(one)[0] in keys(two)


def test_a_reference_that_is_used_anew_for_another_payment_is_another_payment() -> None:
    entries = (
        paid("5.00", reference="1"),
        paid("6.00", reference="1"),
        paid("5.00", reference="1", day=date(2026, 11, 4)),
    )
    assert len(set(keys(statement(*entries)))) == 3
    nothing = statement(paid("5.00", "a", reference="NONREF"), paid("5.00", "b", reference="NONREF"))
    assert len(set(keys(nothing))) == 2


def test_a_payment_that_each_statement_numbers_anew_is_the_same_payment() -> None:
    coffee = (Tx(amount="5.00", text="coffee"),)
    one, two = Ntry(txs=coffee, number="7"), Ntry(txs=coffee, number="1")
    assert keys(statement(one)) == keys(statement(two))
    assert len(set(keys(statement(one, two)))) == 2


def test_payments_that_share_a_reference_day_and_amount_are_told_apart_in_one_statement() -> None:
    batch = (paid("5.00", "a", reference="BATCH"), paid("5.00", "b", reference="BATCH"))
    found = keys(statement(*batch))
    assert len(set(found)) == 2
    assert keys(statement(*batch, paid("5.00", "later", reference="BATCH")))[:2] == found


@pytest.mark.parametrize("reference", ["", "R1"])
def test_statements_of_one_file_that_overlap_give_each_movement_once(reference: str) -> None:
    coffee, tea = paid("5.00", "coffee", reference=reference), paid("3.00", "tea")
    content = camt(Stmt(entries=(coffee,)), Stmt(entries=(coffee, tea), number="2"))
    assert len(movements(content)) == 3
    assert len(set(keys(content))) == 2


def test_a_statement_that_a_file_repeats_counts_once() -> None:
    one = Stmt(entries=(paid("5.00", "coffee"),))
    assert len(movements(camt(one, one))) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no xml",
        b"<Document/>",
        b"<Document><BkToCstmrStmt/></Document>",
        b"<Document><BkToCstmrAcctRpt><Rpt/></BkToCstmrAcctRpt></Document>",
        statement(Ntry(txs=(Tx(amount="5.001"),), amount="5.001")),
        statement(paid("5.00")).replace(b">5.00<", b">NaN<"),
        statement(paid("5.00")).replace(b">5.00<", b">-5.00<"),
        statement(paid("5.00")).replace(b"CRDT", b"BOTH"),
        statement(paid("5.00")).replace(b"2026-11-03", b"yesterday"),
        statement(paid("5.00")).replace(OURS.encode(), b"not an iban"),
        b" " * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_statement_is_refused(content: bytes) -> None:
    with pytest.raises(NotAStatement):
        parse(content)


def test_no_entity_is_expanded_and_no_file_is_read() -> None:
    declared = b'<!DOCTYPE Document [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
    content = statement(paid("5.00", "x")).replace(b"?>", b"?>" + declared).replace(b">x<", b">&secret;<")
    with pytest.raises(NotAStatement) as refused:
        parse(content)
    assert "document type" in str(refused.value.why)
    lots = b"<!DOCTYPE Document [" + b'<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %s "%s">' % (bytes([98 + n]), b"&%s;" % bytes([97 + n]) * 10) for n in range(9)
    ) + b"]>"  # fmt: skip
    with pytest.raises(NotAStatement):
        parse(statement(paid("5.00", "x")).replace(b"?>", b"?>" + lots).replace(b">x<", b">&j;<"))


payments = st.lists(
    st.tuples(
        st.integers(1, 10**9),
        st.sampled_from(["", "R1", "R2"]),
        st.sampled_from(["", "F2026-000001", "hello", "<&>"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=8,
)


@given(payments, st.integers(0, 8), st.sampled_from([2, 4, 8]))
def test_files_that_overlap_give_each_movement_once(
    made: list[tuple[int, str, str, bool, bool]], cut: int, version: int
) -> None:
    def numbered(number: str) -> list[Ntry]:
        return [
            Ntry(
                txs=(Tx(amount=format(Decimal(cents).scaleb(-2), "f"), text=text),),
                reference=reference,
                number=f"{number}{position}",
                sign="CRDT" if comes else "DBIT",
                reversal=reversal,
            )
            for position, (cents, reference, text, comes, reversal) in enumerate(made)
        ]

    entries = numbered("A")
    whole = keys(statement(*entries, version=version))
    assert len(set(whole)) == len(entries)
    assert set(keys(statement(*numbered("B")[:cut], version=version))) <= set(whole)
    total = sum(m.amount_cents for m in movements(statement(*entries, version=version)))
    assert total == sum(cents if comes else -cents for cents, _, _, comes, _ in made)
