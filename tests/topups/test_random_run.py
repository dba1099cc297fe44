"""Randomised runs: hundreds of top-ups while everything goes wrong, and the books agree in the end.

Seeded: the same every time. One goes on until it has made its hundreds; beside it Hypothesis looks for a
sequence of steps that goes wrong. `pytest tests/topups/test_random_run.py --hypothesis-profile=long` lets it
look ten times as long, with new seeds.
"""

import traceback
from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from types import MappingProxyType
from typing import Final, ParamSpec, cast

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.config import MethodFee, Settings
from tests.fixtures.outside import Sandbox
from tests.fixtures.product import LiveApp
from tests.topups.rough_world import RoughWorld, rough_world

P = ParamSpec("P")

SEED: Final = 20_261_122
CUSTOMERS: Final = 3
HUNDREDS: Final = 220
IN_THE_SUITE: Final = hypothesis_settings(
    max_examples=2,
    stateful_step_count=24,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
AT_LENGTH: Final = hypothesis_settings(
    IN_THE_SUITE, max_examples=25, stateful_step_count=60, derandomize=False
)
ODDITIES: Final[dict[str, Callable[[RoughWorld], None]]] = {
    "all payers act at once": lambda world: world.payers_act(all_of_them=True),
    "a mandate ends": RoughWorld.mandate_ends,
    "webhooks come again, three at once": lambda world: world.webhooks_again(3),
    "the queue is lost": RoughWorld.lose_the_queue,
    "reconciliation": RoughWorld.reconcile,
}
whose = st.integers(min_value=0, max_value=CUSTOMERS - 1)
amounts = st.integers(min_value=10, max_value=60)


def kept(step: Callable[P, None]) -> Callable[P, None]:
    """A step amid ordinary business; its failure is kept: the world cannot be put back to try it again."""

    @wraps(step)
    def stepped(*args: P.args, **kwargs: P.kwargs) -> None:
        world = cast("Run", args[0]).world
        if not world.failures:
            try:
                step(*args, **kwargs)
                world.ordinary_business()
            except Exception:  # noqa: BLE001  # whatever it was, the test fails with it
                world.failures.append(traceback.format_exc())

    return stepped


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """PayPal and cards cost something here."""
    fee = MethodFee(fixed=Decimal("0.35"), percentage=Decimal("3.4"))
    object.__setattr__(settings, "fees", MappingProxyType({"paypal": fee, "creditcard": fee}))
    return settings


def begin(world: RoughWorld) -> list[int]:
    """Some customers with a mandate and a rule each; then trouble begins."""
    mine = world.open_customers(CUSTOMERS)
    world.troubles(on=False)
    for number, customer_id in enumerate(mine):
        method = ("creditcard", "ideal", "bancontact")[number % 3]
        world.pay(customer_id, 20, method, save=True, clicks=1)
    world.payers_act(all_of_them=True, pay=True)
    world.work()
    for customer_id in mine:
        world.turn_on(customer_id, by_target=customer_id % 2 == 0)
    world.troubles(on=True)
    return mine


def days_pass(world: RoughWorld) -> None:
    world.pass_time(hours=world.dice.choice((1.1, 26, 100, 300)))
    world.sweep()
    world.work(world.dice.randint(1, 3))


def somebody_clicks_twice(world: RoughWorld) -> None:
    save = world.dice.random() < 0.5
    world.pay(world.dice.choice(world.present), world.dice.randint(10, 60), "ideal", save=save, clicks=2)


def somebody_saves_the_rule(world: RoughWorld) -> None:
    world.turn_on(world.dice.choice(world.present), by_target=world.dice.random() < 0.5)


def staff_refunds(world: RoughWorld) -> None:
    world.refund(world.dice.choice(world.present), world.dice.choice((None, world.dice.randint(1, 30))))


# Time passes most: months do, so that monthly maxima begin anew.
STEPS: Final[tuple[Callable[[RoughWorld], None], ...]] = (
    *(days_pass,) * 4,
    somebody_clicks_twice,
    *(somebody_saves_the_rule,) * 3,
    *(staff_refunds,) * 2,
    *(lambda world: world.banks_act(most=5),) * 3,
    *ODDITIES.values(),
)


class Run(RuleBasedStateMachine):
    """Three customers for whom everything goes wrong; when it is over, the books must agree."""

    world: RoughWorld

    @initialize()
    @kept
    def open(self) -> None:
        """Everybody has a mandate and a rule before trouble begins."""
        self.mine = begin(self.world)

    @rule(hours=st.sampled_from((1.1, 3, 26, 100)), workers=st.integers(min_value=1, max_value=3))
    @kept
    def time_passes(self, hours: float, workers: int) -> None:
        self.world.pass_time(hours=hours)
        self.world.sweep()
        self.world.work(workers)

    @rule(who=whose, euros=amounts, save=st.booleans())
    @kept
    def pay_with_a_double_click(self, who: int, euros: int, *, save: bool) -> None:
        self.world.pay(self.mine[who], euros, "ideal", save=save, clicks=2)

    @rule(who=whose, by_target=st.booleans())
    @kept
    def save_the_rule_again(self, who: int, *, by_target: bool) -> None:
        self.world.turn_on(self.mine[who], by_target=by_target)

    @rule(who=whose, euros=st.none() | st.integers(min_value=1, max_value=30))
    @kept
    def refund(self, who: int, euros: int | None) -> None:
        self.world.refund(self.mine[who], euros)

    @rule()
    @kept
    def banks_act(self) -> None:
        self.world.banks_act()

    @rule(reason=st.sampled_from(("AM04", "MD06", "insufficient_funds", "possible_fraud")))
    @kept
    def bank_refuses_next(self, reason: str) -> None:
        self.world.bank_refuses_next(reason)

    @rule(what=st.sampled_from(tuple(ODDITIES)))
    @kept
    def something_odd(self, what: str) -> None:
        ODDITIES[what](self.world)

    def teardown(self) -> None:
        if not self.world.failures:
            self.world.calm_down()
            self.world.failures += self.world.differences()


def test_whatever_goes_wrong_the_ledger_agrees_with_mollie_in_the_end(
    app: Flask,
    live_app: LiveApp,
    settings: Settings,
    sandbox: Sandbox,
    blank_paper: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with rough_world(app, sandbox, settings.redis_url, monkeypatch, SEED) as world:
        machine = type("SeededRun", (Run,), {"world": world})
        at_length = hypothesis_settings.get_current_profile_name() == "long"
        run_state_machine_as_test(machine, settings=AT_LENGTH if at_length else IN_THE_SUITE)
        happened = world.happened()
    assert not world.failures, world.failures[0]
    assert happened.top_ups > 40, happened
    counts = (happened.killed, happened.paid, happened.charged, happened.refunds, happened.chargebacks)
    assert min(counts) > 0, happened


def test_hundreds_of_top_ups_amid_every_fault_agree_with_mollie_to_the_cent(
    app: Flask,
    live_app: LiveApp,
    settings: Settings,
    sandbox: Sandbox,
    blank_paper: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with rough_world(app, sandbox, settings.redis_url, monkeypatch, SEED + 1) as world:
        begin(world)
        while world.made() < HUNDREDS:
            world.dice.choice(STEPS)(world)
            world.ordinary_business(most=6, most_used=80)
        world.calm_down()
        assert world.differences() == []
        happened = world.happened()
    # How many of each depends on who is quicker where a step is killed.
    assert happened.paid > HUNDREDS // 3, happened
    assert happened.killed > 50, happened
    assert min(happened.charged, happened.refunds, happened.chargebacks) > 2, happened
    assert happened.fees_taken_back > 0, happened
