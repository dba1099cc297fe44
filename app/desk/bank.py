"""The desk's pages of bank transfers: reading statements, the queue, whose a transfer is, undoing it."""

from typing import Final
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import BooleanField, FileField, StringField
from wtforms.validators import DataRequired, Length

from app.customers.auth import operator_required
from app.db import in_unit_of_work
from app.errors import AppError, Invalid, NotFound
from app.i18n import money
from app.jobs import enqueue
from invoicing import bank_booking, bank_import, bank_queue, bank_reading, camt

blueprint = Blueprint("desk_bank", __name__, url_prefix="/desk/bank", template_folder="templates")

RULES: Final[dict[str, LazyString]] = {
    "reference": lazy_gettext("by its payment reference"),
    "balance_reference": lazy_gettext("by the customer's own reference"),
    "number": lazy_gettext("by the invoice number"),
    "end_to_end": lazy_gettext("by the payer's reference"),
    "account_and_amount": lazy_gettext("by account and amount"),
    "operator": lazy_gettext("by hand"),
    "payout": lazy_gettext("by the name of the account"),
    "reversal": lazy_gettext("taken back by the bank"),
}
STATUSES: Final[dict[str, tuple[str, LazyString]]] = {
    "new": ("info", lazy_gettext("Being matched")),
    "queued": ("look", lazy_gettext("To be matched")),
    "matched": ("ok", lazy_gettext("Matched")),
    "payout": ("quiet", lazy_gettext("Payout")),
    "other": ("quiet", lazy_gettext("Not from a customer")),
    "outgoing": ("quiet", lazy_gettext("Paid by us")),
    "returned": ("quiet", lazy_gettext("Taken back before it was matched")),
}
ACTIONS: Final[dict[str, LazyString]] = {**{key: text for key, (_, text) in STATUSES.items()},
                                         "undone": lazy_gettext("Undone")}  # fmt: skip
TABS: Final[dict[bank_queue.Show, LazyString]] = {
    "queued": lazy_gettext("To be matched"),
    "matched": lazy_gettext("Matched"),
    "other": lazy_gettext("Others"),
    "all": lazy_gettext("All"),
}


class StatementForm(FlaskForm):
    file = FileField(
        lazy_gettext("Bank statement"),
        description=lazy_gettext(
            "CAMT.053, as your bank lets you download it. The same file twice does no harm."
        ),
        render_kw={"accept": ".xml,application/xml,text/xml"},
    )


class AssignForm(FlaskForm):
    """Whose a transfer is: without an invoice it settles what is open, the oldest first."""

    customer = StringField(
        lazy_gettext("Customer number"),
        filters=[lambda text: text.strip() if text else text],
        validators=[DataRequired(lazy_gettext("Enter a customer number.")), Length(max=64)],
        render_kw={"maxlength": 64, "autocomplete": "off"},
    )
    invoice = StringField(
        lazy_gettext("Invoice"),
        description=lazy_gettext("Leave it empty to settle what is open, the oldest first."),
        filters=[lambda text: text.strip().upper() if text else text],
        validators=[Length(max=32)],
        render_kw={"maxlength": 32, "autocomplete": "off"},
    )
    to_balance = BooleanField(lazy_gettext("All of it to the balance"))


class AsideForm(FlaskForm):
    reason = StringField(
        lazy_gettext("What is it?"),
        description=lazy_gettext("Such as interest, or a refund by a supplier."),
        validators=[
            DataRequired(lazy_gettext("Say what it is.")),
            Length(max=500, message=lazy_gettext("Use at most 500 characters.")),
        ],
        render_kw={"maxlength": 500, "autocomplete": "off"},
    )


@blueprint.get("")
@operator_required
def listed() -> str:
    """What waits for a person; matched and other transfers by tab, those of one file by its run."""
    return _list_page(StatementForm(formdata=None))


@blueprint.post("")
@operator_required
def upload() -> Response | tuple[str, int]:
    """Keep what is new of a statement; matching goes on in a job."""
    form = StatementForm()
    file = request.files.get("file")
    try:
        if not form.validate_on_submit() or file is None or not file.filename:
            raise Invalid(gettext("Choose a file."))
        content = file.stream.read(camt.MAX_BYTES + 1)
        run = in_unit_of_work(bank_import.read_file, content, file.filename, imported_by=current_user.email)
    except AppError as error:
        form.file.errors = [str(error.detail or error.title)]
        return _list_page(form), error.status
    enqueue("invoicing.bank_jobs.match_run", str(run), job_id=f"bank-{run}")
    return redirect(url_for("desk_bank.run", import_id=run), code=303)


@blueprint.get("/runs/<uuid:import_id>")
@operator_required
def run(import_id: UUID) -> str:
    """What one file brought."""
    rows, more = bank_queue.page("all", run=import_id, after=_after())
    return render_template(
        "desk/bank_run.html",
        report=bank_reading.report(import_id),
        rows=rows,
        more=more,
        statuses=STATUSES,
        rules=RULES,
    )


@blueprint.get("/<uuid:entry_id>")
@operator_required
def entry(entry_id: UUID) -> str:
    return _entry_page(entry_id)


@blueprint.post("/<uuid:entry_id>/assign")
@operator_required
def assign(entry_id: UUID) -> Response | tuple[str, int]:
    form = AssignForm()
    if not form.validate_on_submit():
        return _entry_page(entry_id, assigning=form), 422
    try:
        in_unit_of_work(
            bank_queue.assign,
            entry_id,
            form.customer.data or "",
            form.invoice.data or "",
            to_balance=bool(form.to_balance.data),
            actor=current_user.email,
        )
    except AppError as error:
        field = form.invoice if error.extra.get("field") == "invoice" else form.customer
        field.errors = [str(error.detail or error.title)]
        return _entry_page(entry_id, assigning=form), error.status
    flash(gettext("The transfer is this customer's now."), "ok")
    return redirect(url_for("desk_bank.entry", entry_id=entry_id), code=303)


@blueprint.post("/<uuid:entry_id>/take-back/<uuid:original_id>")
@operator_required
def take_back(entry_id: UUID, original_id: UUID) -> Response:
    """A reversal takes this transfer back, or a part of it."""
    try:
        back = in_unit_of_work(bank_booking.take_back, entry_id, original_id, actor=current_user.email)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("%(amount)s has been taken back.", amount=money(-back.amount_micros)), "ok")
    return redirect(url_for("desk_bank.entry", entry_id=entry_id), code=303)


@blueprint.post("/<uuid:entry_id>/set-aside")
@operator_required
def set_aside(entry_id: UUID) -> Response | tuple[str, int]:
    form = AsideForm()
    if not form.validate_on_submit():
        return _entry_page(entry_id, aside=form), 422
    try:
        in_unit_of_work(bank_booking.set_aside, entry_id, form.reason.data, actor=current_user.email)
    except AppError as error:
        form.reason.errors = [str(error.detail or error.title)]
        return _entry_page(entry_id, aside=form), error.status
    flash(gettext("The transfer is set aside: it is not from a customer."), "ok")
    return redirect(url_for("desk_bank.entry", entry_id=entry_id), code=303)


@blueprint.post("/<uuid:entry_id>/undo")
@operator_required
def undo(entry_id: UUID) -> Response:
    """Back to the queue; what was moved is moved back."""
    try:
        undone = in_unit_of_work(bank_booking.undo, entry_id, actor=current_user.email)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("%(amount)s is to be matched again.", amount=money(undone.amount_micros)), "ok")
    return redirect(url_for("desk_bank.entry", entry_id=entry_id), code=303)


def _after() -> UUID | None:
    given = request.args.get("after")
    try:
        return UUID(given) if given else None
    except ValueError as error:
        raise NotFound from error


def _list_page(form: StatementForm) -> str:
    show = next((name for name in bank_queue.SHOWS if name == request.args.get("show")), bank_queue.SHOWS[0])
    rows, more = bank_queue.page(show, after=_after())
    return render_template(
        "desk/bank.html",
        form=form,
        rows=rows,
        more=more,
        after=request.args.get("after"),
        show=show,
        tabs=TABS,
        waiting=bank_queue.waiting_count(),
        runs=bank_reading.latest_runs(5),
        statuses=STATUSES,
        rules=RULES,
    )


def _entry_page(
    entry_id: UUID, *, assigning: AssignForm | None = None, aside: AsideForm | None = None
) -> str:
    row, events = bank_queue.one(entry_id)
    return render_template(
        "desk/bank_entry.html",
        row=row,
        events=events,
        assigning=assigning or AssignForm(formdata=None),
        aside=aside or AsideForm(formdata=None),
        statuses=STATUSES,
        actions=ACTIONS,
        rules=RULES,
        matching=bank_booking.MATCHING,
    )
