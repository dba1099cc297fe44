"""The rule of automatic top-up as one sentence, its figures marked; as a page shows it."""

from flask_babel import gettext
from markupsafe import Markup

from app.i18n import money
from topups.forms import RuleForm

# What a figure is called in the form: it changes in the sentence while one types it.
_FIGURE = Markup('<b data-says="{}">{}</b>')
_MARKED = Markup("<b>{}</b>")
_LATER = Markup('<span data-with="calendar_amount"{}>{}</span>')


def rule_sentence(form: RuleForm, method_label: str | None) -> Markup | None:
    """Such as: when your balance comes below € 10, we top it up with € 25 via …, never more than € 250.

    As the form has it; None while an amount is missing there.
    """
    filled = form.target if form.by_target else form.amount
    if form.threshold.data is None or filled.data is None or form.monthly_maximum.data is None:
        return None
    # The text is ours, out of the catalogue; the figures are escaped by the formatting.
    if form.by_target:
        text = gettext(
            "When your balance falls below %(threshold)s, we fill it up to %(target)s through %(method)s, "
            "and never more than %(maximum)s per month."
        )
    else:
        text = gettext(
            "When your balance falls below %(threshold)s, we top it up with %(amount)s through %(method)s, "
            "and never more than %(maximum)s per month."
        )
    calendar = form.calendar_amount.data
    later = Markup.escape(gettext("On the first of each month we add %(calendar)s.")) % {
        "calendar": _FIGURE.format("calendar_amount", money(calendar or 0))
    }
    facts = {
        "threshold": _FIGURE.format("threshold", money(form.threshold.data)),
        filled.name: _FIGURE.format(filled.name, money(filled.data)),
        "maximum": _FIGURE.format("monthly_maximum", money(form.monthly_maximum.data)),
        "method": _MARKED.format(method_label or gettext("a payment method")),
    }
    return (
        Markup.escape(text) % facts
        + " "
        + _LATER.format(Markup("") if calendar is not None else Markup(" hidden"), later)
    )
