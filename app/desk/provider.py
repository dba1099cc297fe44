"""The desk's page of the provider's settings: who we are, how we look, terms and dunning."""

from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from werkzeug.wrappers import Response

from app import provider_settings
from app.config import settings
from app.customers.auth import operator_required
from app.db import in_unit_of_work
from app.desk.settings_form import SettingsForm
from app.errors import AppError, Invalid
from app.png import MAX_BYTES
from app.provider_settings import SettingsMovedOn
from invoicing import service as invoicing

blueprint = Blueprint("desk_settings", __name__, url_prefix="/desk/settings", template_folder="templates")

GROUPS: Final[tuple[tuple[LazyString, tuple[str, ...]], ...]] = (
    (
        lazy_gettext("Legal data"),
        ("name", "legal_name", "address_line1", "postal_code", "city", "country", "vat_number", "kvk_number",
         "iban", "bic"),
    ),
    (
        lazy_gettext("Questions of customers"),
        ("support_email", "support_phone", "support_hours_nl", "support_hours_en"),
    ),
    (lazy_gettext("Look"), ("logo_file", "no_logo", "brand_colour")),
    (lazy_gettext("Numbers"), ("invoice_prefix", "credit_note_prefix")),
    (
        lazy_gettext("Terms"),
        ("issue_on", "payment_term_days", "small_due_micros", "low_balance_micros"),
    ),
    (
        lazy_gettext("Dunning"),
        ("dunning_upcoming_days", "dunning_reminder_days", "dunning_second_reminder_days",
         "dunning_late_fee_days", "dunning_final_demand_days", "dunning_grace_days", "dunning_suspends",
         "late_fee_business", "late_fee_consumer"),
    ),
    (lazy_gettext("Bookkeeping"), ("ledger_accounts",)),
)  # fmt: skip


@blueprint.get("")
@operator_required
def show() -> str:
    return _page(_form(None))


@blueprint.post("")
@operator_required
def save() -> Response | tuple[str, int]:
    """Documents that were issued keep what they say; all else follows within seconds."""
    form = _form(request.form)
    if not form.validate_on_submit():
        return _page(form), 422
    values = form.values() | {"logo": "" if form.no_logo.data else settings().provider.logo}
    wrong = provider_settings.applied(provider_settings.of_environment(), values).problems()
    if wrong:
        _put_problems(form, wrong)
        return _page(form), 422
    file = request.files.get("logo_file")
    picture = file.stream.read(MAX_BYTES + 1) if file is not None and file.filename else None
    try:
        in_unit_of_work(_save, values, picture, form.seen_version, current_user.user_id)
    except Invalid as error:
        form.logo_file.errors = [str(error.detail or error.title)]
        return _page(form), error.status
    except SettingsMovedOn as error:
        return _moved_on(error)
    flash(gettext("Saved. Pages, mails and new documents follow within seconds."), "ok")
    return redirect(url_for("desk_settings.show"), code=303)


def _save(values: dict[str, Any], picture: bytes | None, seen_version: int, user_id: int) -> None:
    if picture is not None:
        values = values | {"logo": provider_settings.keep_logo(picture)}
    provider_settings.save(values, seen_version=seen_version, by_user_id=user_id)


def _moved_on(error: AppError) -> tuple[str, int]:
    flash(str(error.title), "danger")
    return _page(_form(None)), error.status


def _form(given: Any) -> SettingsForm:
    now = settings()
    names = [name for _, group in GROUPS for name in group if name not in ("logo_file", "no_logo")]
    current = {name: provider_settings.value_of(now, name) for name in names}
    return SettingsForm(formdata=given, data=current | {"version": provider_settings.version()})


def _put_problems(form: SettingsForm, problems: list[str]) -> None:
    """Rules about several settings name their variable; they are said at the first field of them."""
    for problem in problems:
        variable, _, text = problem.partition(": ")
        name = variable.lower()
        field = form[name] if name in form.values() else form.dunning_reminder_days
        field.errors = [*field.errors, text]


def _page(form: SettingsForm) -> str:
    for name, number in invoicing.next_numbers().items():
        form[name].description = gettext(
            "The next number is %(number)s. Another beginning has a series of its own, from the next "
            "document on.",
            number=number,
        )
    return render_template("desk/settings.html", form=form, groups=GROUPS)
