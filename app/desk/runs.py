"""The desk's page of invoice runs: how far each is, what failed and why, and trying that again."""

from datetime import date

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import format_date, gettext
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from app.customers.auth import operator_required
from app.customers.service import find_customer, get_customers
from app.errors import AppError
from invoicing import run_progress, service

blueprint = Blueprint("desk_runs", __name__, url_prefix="/desk/invoice-runs", template_folder="templates")


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
    )


@blueprint.get("/live")
@operator_required
def live() -> Response:
    """The runs as they are now; 304 while nothing has changed."""
    fragment = _fragment()
    fragment.make_conditional(request)
    return fragment


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


def _fragment() -> Response:
    """It carries no form and so no token: its ETag is that of its content."""
    answer = Response(
        render_template("desk/_runs.html", runs=run_progress.latest()),
        mimetype="text/html",
    )
    answer.add_etag()
    return answer
