"""Rules for charges still to come: "the next direct debit of this customer fails on day four with AM04"."""

from topups.sandbox.entities import Outcome, Payment, Plan
from topups.sandbox.world import World


def plan_for(world: World, payment: Payment) -> Plan:
    """The oldest rule that matches, used up; else the payment is paid when its method settles."""
    for outcome in reversed(world.store.every(Outcome)):
        if matches(outcome, payment):
            use(world, outcome)
            return outcome.plan
    return Plan()


def matches(outcome: Outcome, payment: Payment) -> bool:
    return (
        outcome.customer_id in {None, payment.customer_id}
        and outcome.mandate_id in {None, payment.mandate_id}
        and outcome.method in {None, payment.method}
    )


def use(world: World, outcome: Outcome) -> None:
    if outcome.times is None:
        return
    outcome.times -= 1
    if outcome.times > 0:
        world.store.save(outcome)
    else:
        world.store.remove(outcome)
