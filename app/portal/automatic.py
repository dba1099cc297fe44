"""Automatic top-up in one sentence, the month's bar and the last decision."""

from dataclasses import dataclass

from flask_babel import gettext
from markupsafe import Markup, escape

from app.i18n import moment, money
from app.portal.links import link
from app.portal.tags import Tag
from topups.service import Summary


@dataclass(frozen=True, kw_only=True)
class Automatic:
    """The card of the overview. Amounts in micros; the bar shows what is done and what is on its way."""

    enabled: bool
    rule: str
    tag: Tag | None
    done_micros: int
    in_flight_micros: int
    maximum_micros: int
    month: str
    flight: str | None
    decision: str | None
    url: str | None


def automatic_of(summary: Summary) -> Automatic:
    enabled = summary.state != "off"
    maximum = summary.monthly_maximum_micros or 0
    flight = summary.month_in_flight_micros
    last = summary.last_decision
    return Automatic(
        enabled=enabled,
        rule=_rule(summary) if enabled else gettext("It is off: you top up by hand."),
        tag=_tag(summary),
        done_micros=max(0, summary.month_used_micros - flight),
        in_flight_micros=flight,
        maximum_micros=maximum,
        month=gettext(
            "This month %(used)s of at most %(maximum)s",
            used=money(summary.month_used_micros),
            maximum=money(maximum),
        ),
        flight=gettext("%(amount)s on its way", amount=money(flight)) if flight else None,
        decision=gettext("%(what)s (last decision, %(when)s).", when=moment(last.at), what=last.text)
        if last and enabled
        else None,
        url=link("topups.auto_top_up"),
    )


def _rule(summary: Summary) -> Markup:
    """The rule as a sentence with its figures marked."""
    facts = {
        "threshold": _marked(money(summary.threshold_micros or 0)),
        "amount": _marked(money(summary.amount_micros or summary.target_micros or 0)),
        "method": _marked(summary.method_label or gettext("a payment method you have yet to add")),
    }
    if summary.amount_micros is not None:
        text = gettext("Below %(threshold)s we top up with %(amount)s via %(method)s.")
    else:
        text = gettext("Below %(threshold)s we top up to %(amount)s via %(method)s.")
    return Markup(escape(text)) % facts  # noqa: S704 - the text is escaped, its values are too


def _marked(text: str) -> Markup:
    return Markup("<b>{}</b>").format(text)


def _tag(summary: Summary) -> Tag | None:
    if summary.state == "paused":
        return Tag("look", gettext("Paused"))
    if summary.state == "no_method":
        return Tag("look", gettext("No payment method"))
    return None if summary.state == "on" else Tag("quiet", gettext("Off"))
