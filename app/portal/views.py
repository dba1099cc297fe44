"""The customer's pages that bring the slices together: overview, usage, transactions."""

from datetime import date

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.customers.auth import customer_required
from app.errors import NotFound
from app.ledger import statement
from app.ledger.wording import described

blueprint = Blueprint("portal", __name__, template_folder="templates")


@blueprint.get("/")
def home() -> Response:
    """To where this person begins."""
    if not current_user.is_authenticated:
        return redirect(url_for("customers.sign_in"))
    return redirect(url_for("desk.customers" if current_user.is_operator else "portal.transactions"))


@blueprint.get("/transactions")
@customer_required
def transactions() -> str:
    """Every movement of the balance, usage per day, by whole days."""
    before = _day(request.args.get("before"))
    page = statement.page(g.customer.customer_id, before)
    movements = described(page.movements)
    return render_template("portal/transactions.html", movements=movements, before=before, older=page.older)


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotFound from error
