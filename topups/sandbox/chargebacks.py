"""Chargebacks: made by the control API only; they take a paid payment's money back, and may be reversed."""

from topups.sandbox.entities import Chargeback
from topups.sandbox.payments import get_payment
from topups.sandbox.problems import Problem, invalid, unknown
from topups.sandbox.webhooks import notify
from topups.sandbox.world import World, new_id


def create_chargeback(
    world: World, payment_id: str, amount_cents: int | None = None, code: str | None = None
) -> Chargeback:
    payment = get_payment(world, payment_id)
    if payment.status != "paid":
        raise Problem(409, f"A payment that is {payment.status} cannot be charged back.")
    left_cents = payment.amount_cents - payment.amount_charged_back_cents
    if amount_cents is None:
        amount_cents = left_cents
    if not 0 < amount_cents <= left_cents:
        raise invalid("amount", "The amount is not what can be charged back")
    if code is None and payment.method == "directdebit":
        code = "AM04"
    chargeback = Chargeback(
        id=new_id("chb_"),
        created_at=world.now(),
        payment_id=payment.id,
        amount_cents=amount_cents,
        code=code,
    )
    world.store.add(chargeback)
    payment.amount_charged_back_cents += amount_cents
    payment.has_chargebacks = True
    world.store.save(payment)
    notify(world, payment, "chargeback.created", at=chargeback.created_at)
    return chargeback


def get_chargeback(world: World, payment_id: str, chargeback_id: str) -> Chargeback:
    get_payment(world, payment_id)
    chargeback = world.store.find(Chargeback, chargeback_id)
    if chargeback is None or chargeback.payment_id != payment_id:
        raise unknown(chargeback_id)
    return chargeback


def reverse_chargeback(world: World, chargeback_id: str) -> Chargeback:
    chargeback = world.store.find(Chargeback, chargeback_id)
    if chargeback is None:
        raise unknown(chargeback_id)
    if chargeback.reversed_at is not None:
        raise Problem(409, "The chargeback is reversed already.")
    chargeback.reversed_at = world.now()
    world.store.save(chargeback)
    payment = get_payment(world, chargeback.payment_id)
    payment.amount_charged_back_cents -= chargeback.amount_cents
    world.store.save(payment)
    notify(world, payment, "chargeback.reversed", at=chargeback.reversed_at)
    return chargeback
