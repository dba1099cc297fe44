"""`?embed=refunds,chargebacks` on payments, `?embed=payment` on refunds and chargebacks."""

from flask import request

from topups.sandbox.answers import Json, chargeback_json, payment_json, refund_json
from topups.sandbox.entities import Chargeback, Entity, Payment, Refund
from topups.sandbox.stale import seen
from topups.sandbox.world import World


def embedded(world: World, entity: Entity) -> Json:
    """The `_embedded` part that was asked for; nothing when nothing was."""
    wanted = set(request.args.get("embed", "").split(","))
    parts: Json = {}
    if isinstance(entity, Payment):
        if "refunds" in wanted:
            refunds = [seen(world, each) for each in world.store.every(Refund, owner=entity.id)]
            parts["refunds"] = [refund_json(each) for each in refunds if each]
        if "chargebacks" in wanted:
            chargebacks = [seen(world, each) for each in world.store.every(Chargeback, owner=entity.id)]
            parts["chargebacks"] = [chargeback_json(each) for each in chargebacks if each]
    elif isinstance(entity, Refund | Chargeback) and "payment" in wanted:
        payment = world.store.find(Payment, entity.payment_id)
        parts["payment"] = payment_json(payment) if payment else None
    return {"_embedded": parts} if parts else {}
