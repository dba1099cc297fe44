"""The checkout page: choose a method, then how the payment ends. Plain forms with stable names and values.

The buttons: `name="method" value="ideal"`; `name="status" value="paid|failed|canceled|expired|open"`, with
`failure_reason` and `mandate_status` beside it; on a paid payment `name="action" value="refund|chargeback"`.
"""

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from topups.sandbox.chargebacks import create_chargeback
from topups.sandbox.entities import Payment
from topups.sandbox.methods import METHODS
from topups.sandbox.payments import MOVES, choosable_methods, choose_method, get_payment, move
from topups.sandbox.problems import Problem
from topups.sandbox.reasons import CARD_REASONS, SEPA_REASONS
from topups.sandbox.refunds import create_dashboard_refund
from topups.sandbox.texts import REASONS_NL, TEXTS, amount_text, language_of, moment_text
from topups.sandbox.timeline import catch_up
from topups.sandbox.world import World, world

checkout = Blueprint("checkout", __name__)
SHOWN = 40


@checkout.get("/")
def overview() -> str:
    sandbox, language = world(), browser_language()
    with sandbox.store.transaction():
        catch_up(sandbox)
        payments = sandbox.store.every(Payment, limit=SHOWN)
    return render_template("overview.html", payments=payments, methods=METHODS, **words(language))


@checkout.get("/checkout/<payment_id>")
def page(payment_id: str) -> str:
    sandbox = world()
    with sandbox.store.transaction():
        catch_up(sandbox)
        payment = get_payment(sandbox, payment_id)
    language = language_of(payment.locale) if payment.locale else browser_language()
    return render_template(
        "checkout.html",
        payment=payment,
        method=METHODS.get(payment.method or ""),
        choosable=choosable_methods(payment),
        choosing=payment.status == "open" and (payment.method is None or "choose" in request.args),
        reasons=reasons_for(payment, language),
        **words(language),
    )


@checkout.post("/checkout/<payment_id>")
def decide(payment_id: str) -> AnyResponse:
    sandbox = world()
    with sandbox.store.transaction():
        catch_up(sandbox)
        target = decided(sandbox, get_payment(sandbox, payment_id))
    response = redirect(target, 303)
    response.call_on_close(sandbox.wake.set)
    return response


def decided(sandbox: World, payment: Payment) -> str:
    """Does what the button says; returns where the customer goes next."""
    here = url_for("checkout.page", payment_id=payment.id)
    if method := request.form.get("method"):
        choose_method(sandbox, payment, method)
        return here
    match request.form.get("action"):
        case "refund":
            create_dashboard_refund(sandbox, payment.id, None)
            return here
        case "chargeback":
            create_chargeback(sandbox, payment.id)
            return here
    status = request.form.get("status", "open")
    # A second tab or a late click changes nothing any more, but still leads back.
    if status != "open" and status in MOVES[payment.status]:
        move(
            sandbox,
            payment,
            status,
            at=sandbox.now(),
            failure_reason=request.form.get("failure_reason") or None,
            mandate_status="pending" if request.form.get("mandate_status") == "pending" else "valid",
        )
    if payment.status == "canceled" and payment.cancel_url:
        return payment.cancel_url
    return payment.redirect_url or here


def reasons_for(payment: Payment, language: str) -> dict[str, str]:
    """The reasons a payment of this method can fail for, worded for the page."""
    if payment.method == "directdebit":
        reasons = SEPA_REASONS
    elif payment.method in {"creditcard", "bancontact"}:
        reasons = CARD_REASONS
    else:
        return {}
    return {code: REASONS_NL[code] for code in reasons} if language == "nl" else reasons


def words(language: str) -> dict[str, Any]:
    return {
        "language": language,
        "text": TEXTS[language],
        "money": lambda cents: amount_text(cents, language),
        "moment": lambda moment: moment_text(moment, language),
    }


def browser_language() -> str:
    return request.accept_languages.best_match(["en", "nl"]) or "en"


@checkout.errorhandler(Problem)
def refused(problem: Problem) -> Response:
    body = render_template(
        "problem.html", detail=problem.detail, status=problem.status, **words(browser_language())
    )
    return Response(body, status=problem.status)
