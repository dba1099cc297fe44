"""The customer's pages that bring the slices together: overview, usage, transactions."""

from datetime import date, timedelta

from flask import Blueprint, Response, g, redirect, render_template, request, stream_with_context, url_for
from flask_login import current_user
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from app.customers.auth import customer_required
from app.errors import NotFound
from app.ledger import statement
from app.portal import usage as usage_charts
from app.portal.links import link
from app.portal.movements import told
from app.portal.overview import overview_of
from app.portal.transactions_csv import csv_lines

blueprint = Blueprint("portal", __name__, template_folder="templates")


@blueprint.get("/")
def home() -> BaseResponse:
    """To where this person begins."""
    if not current_user.is_authenticated:
        return redirect(url_for("customers.sign_in"))
    return redirect(url_for("desk.customers" if current_user.is_operator else "portal.dashboard"))


@blueprint.get("/overview")
@customer_required
def dashboard() -> str:
    """One sentence, the balance and its parts, the rest; complete without a script."""
    fragment = _fragment()
    return render_template(
        "portal/dashboard.html",
        customer=g.customer,
        fragment=Markup(fragment.get_data(as_text=True)),  # noqa: S704 - our own template's answer
        etag=fragment.headers["ETag"],
        top_up_url=link("topups.top_up"),
    )


@blueprint.get("/overview/live")
@customer_required
def live() -> Response:
    """The overview's parts as they are now; 304 while nothing has changed."""
    fragment = _fragment()
    fragment.make_conditional(request)
    return fragment


@blueprint.get("/usage")
@customer_required
def usage() -> str:
    periods = usage_charts.periods(request.args.get("period"))
    chosen = next(period for period in periods if period.current)
    chart = usage_charts.chart_of(g.customer.customer_id, chosen.days)
    day_after = chosen.days[-1] + timedelta(days=1)
    return render_template(
        "portal/usage.html", chart=chart, periods=periods, days=chosen.days, day_after=day_after
    )


@blueprint.get("/transactions")
@customer_required
def transactions() -> str:
    """Every movement of the balance, usage per day, by whole days."""
    before = _day(request.args.get("before"))
    page = statement.page(g.customer.customer_id, before)
    movements = told(g.customer.customer_id, page.movements)
    return render_template("portal/transactions.html", movements=movements, before=before, older=page.older)


@blueprint.get("/transactions.csv")
@customer_required
def transactions_csv() -> Response:
    """All of them, as a file."""
    lines = csv_lines(g.customer.customer_id)
    answer = Response(stream_with_context(lines), mimetype="text/csv")
    name = f"transactions-{g.customer.reference}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _fragment() -> Response:
    """What follows the balance. It carries no form and so no token: its ETag is that of its content."""
    view = overview_of(g.customer.customer_id)
    answer = Response(render_template("portal/_live.html", view=view), mimetype="text/html")
    answer.add_etag()
    return answer


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotFound from error
