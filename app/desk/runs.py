"""The desk's page of invoice runs: how far each is, what failed and why, and trying that again."""

from datetime import date, timedelta
from typing import Final

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import format_date, gettext
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from app.clock import utc_now
from app.customers.auth import operator_required
from app.customers.service import find_customer, get_customers
from app.errors import AppError
from app.i18n import local_date
from invoicing import run_progress, service

blueprint = Blueprint("desk_runs", __name__, url_prefix="/desk/invoice-runs", template_folder="templates")

# As far back as a month may be closed by hand.
MONTHS: Final = 6


@blueprint.app_template_filter("month_name")
def month_name(day: date) -> str:
    """A month with its year: "oktober 2026"."""
    return str(format_date(day, "MMMM yyyy"))


@blueprint.get("")
@operator_required
def listed() -> str:
    """Complete without a script; with one it follows the runs by itself."""
    fragment = _fragment()
    failures = run_progress.open_failures()
    return render_template(
        "desk/runs.html",
        fragment=Markup(fragment.get_data(as_text=True)),  # noqa: S704 - our own template's answer
        etag=fragment.headers["ETag"],
        failures=failures,
        customers=get_customers({failure.customer_id for failure in failures}),
        months=_ended_months(),
    )


@blueprint.get("/live")
@operator_required
def live() -> Response:
    """The runs as they are now; 304 while nothing has changed."""
    fragment = _fragment()
    fragment.make_conditional(request)
    return fragment


@blueprint.post("")
@operator_required
def start() -> BaseResponse:
    """A run over everybody's usage of a month that has ended; what is closed stays as it is."""
    try:
        month = service.month_of(request.form.get("month", ""))
        under_way = any(run.month == month and run.finished_at is None for run in run_progress.latest())
        begun = None if under_way else run_progress.customers_in(service.start_close(month))
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
        return redirect(url_for("desk_runs.listed"), code=303)
    if begun is None:
        flash(gettext("A run of %(month)s is under way already.", month=month_name(month)), "look")
    elif not begun:
        flash(gettext("Nothing is left to invoice of %(month)s.", month=month_name(month)), "info")
    else:
        flash(gettext("The run of %(month)s has begun.", month=month_name(month)), "ok")
    return redirect(url_for("desk_runs.listed"), code=303)


@blueprint.post("/<month>/<reference>/retry")
@operator_required
def retry(month: str, reference: str) -> BaseResponse:
    """A run for this customer alone. One that has been closed meanwhile is left as it is."""
    try:
        service.start_close(service.month_of(month), find_customer(reference))
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("The invoice is being made again. If it fails again, it comes back here."), "ok")
    return redirect(url_for("desk_runs.listed"), code=303)


def _ended_months() -> list[date]:
    """The latest first."""
    found = [local_date(utc_now()).replace(day=1)]
    for _ in range(MONTHS):
        found.append((found[-1] - timedelta(days=1)).replace(day=1))
    return found[1:]


def _fragment() -> Response:
    """It carries no form and so no token: its ETag is that of its content."""
    answer = Response(
        render_template("desk/_runs.html", runs=run_progress.latest()),
        mimetype="text/html",
    )
    answer.add_etag()
    return answer
