"""The customer's pages that bring the slices together: overview, usage, transactions."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import cast

from flask import Blueprint, Response, g, redirect, render_template, request, stream_with_context, url_for
from flask_login import current_user
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from app.customers.auth import acting_for, customer_required
from app.customers.models import User
from app.customers.roles import FIRST_PAGES
from app.customers.viewing import viewing
from app.errors import NotFound
from app.ledger import statement
from app.portal import usage as usage_charts
from app.portal import usage_report
from app.portal.links import link
from app.portal.movements import told
from app.portal.overview import overview_of
from app.portal.transactions_csv import csv_lines
from app.tables import Order

blueprint = Blueprint("portal", __name__, template_folder="templates")


@blueprint.get("/")
def home() -> BaseResponse:
    """To where this person begins."""
    if not current_user.is_authenticated:
        return redirect(url_for("customers.sign_in"))
    if current_user.is_operator and viewing() is None:
        return redirect(url_for("desk.customers"))
    acting = acting_for(cast("User", current_user))
    return redirect(url_for(FIRST_PAGES.get(acting[1] if acting else "", "portal.dashboard")))


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
    """Usage of some days by day and meter, or of a meter by dimension, beside as many days before."""
    periods = usage_charts.periods(request.args.get("period"), g.customer.customer_id)
    wanted = _wanted_usage(periods)
    return render_template(
        "portal/usage.html",
        report=usage_report.report_of(wanted),
        wanted=wanted,
        periods=periods,
        period=next(period.value for period in periods if period.current),
    )


@blueprint.get("/usage.csv")
@customer_required
def usage_csv() -> Response:
    """The page's figures by day, as a file."""
    wanted = _wanted_usage(usage_charts.periods(request.args.get("period"), g.customer.customer_id))
    return _file(usage_report.totals_csv(wanted), f"usage-{g.customer.reference}.csv")


@blueprint.get("/transactions")
@customer_required
def transactions() -> str:
    """Every movement of the balance, usage per day: by whole days, or sorted as the reader wants it."""
    show = request.args.get("show")
    show = show if show in statement.KINDS else None
    order = Order.asked(statement.COLUMNS, request.args.get("sort"))
    begun: date | int | None
    more: date | int | None
    if order.is_usual:
        begun = _day(request.args.get("before"))
        page = statement.page(g.customer.customer_id, begun, show)
        found, more = page.movements, page.older
    else:
        begun = request.args.get("after", type=int)
        found, more = statement.sorted_page(g.customer.customer_id, order, begun, show)
    return render_template(
        "portal/transactions.html",
        movements=told(g.customer.customer_id, found),
        begun=begun,
        more=more,
        show=show,
        order=order,
    )


@blueprint.get("/transactions.csv")
@customer_required
def transactions_csv() -> Response:
    """All of them, as a file."""
    lines = csv_lines(g.customer.customer_id)
    return _file(stream_with_context(lines), f"transactions-{g.customer.reference}.csv")


def _file(content: str | Iterator[str], name: str) -> Response:
    answer = Response(content, mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _wanted_usage(periods: Sequence[usage_charts.Period]) -> usage_report.Wanted:
    return usage_report.wanted_of(
        g.customer.customer_id,
        next(period.days for period in periods if period.current),
        request.args.get("meter") or None,
        request.args.get("by") or None,
    )


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
