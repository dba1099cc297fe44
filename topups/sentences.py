"""The rule of automatic top-up as one sentence, its figures marked; as a page shows it."""

from flask_babel import gettext
from markupsafe import Markup

from app.i18n import money
from topups.summary import Summary

_MARKED = Markup("<b>{}</b>")


def rule_sentence(summary: Summary) -> Markup:
    """Such as: when your balance comes below € 10, we top it up with € 25 via …, never more than € 250."""
    if summary.threshold_micros is None or summary.monthly_maximum_micros is None:
        return Markup("{}").format(gettext("There is no rule yet."))
    facts = {
        "threshold": _MARKED.format(money(summary.threshold_micros)),
        "maximum": _MARKED.format(money(summary.monthly_maximum_micros)),
        "method": _MARKED.format(summary.method_label or gettext("a payment method")),
    }
    if summary.amount_micros is not None:
        facts["amount"] = _MARKED.format(money(summary.amount_micros))
        # The text is ours, out of the catalogue; the figures are escaped by the formatting.
        text = gettext(
            "When your balance falls below %(threshold)s, we top it up with %(amount)s through %(method)s, "
            "and never more than %(maximum)s per month."
        )
    else:
        facts["target"] = _MARKED.format(money(summary.target_micros or 0))
        text = gettext(
            "When your balance falls below %(threshold)s, we fill it up to %(target)s through %(method)s, "
            "and never more than %(maximum)s per month."
        )
    if summary.calendar_micros is not None:
        facts["calendar"] = _MARKED.format(money(summary.calendar_micros))
        text = f"{text} {gettext('On the first of each month we add %(calendar)s.')}"
    return Markup.escape(text) % facts
