"""The customer's download of a year's documents."""

from flask import Blueprint, Response, g, send_file

from app.customers.auth import customer_required
from invoicing import archive

blueprint = Blueprint("invoice_archive", __name__, url_prefix="/invoices")


@blueprint.get("/<int(fixed_digits=4):year>.zip")
@customer_required
def year_zip(year: int) -> Response:
    """All documents of a year, as they were sent."""
    return send_file(
        archive.zip_of(g.customer.customer_id, year),
        mimetype="application/zip",
        as_attachment=True,
        download_name=f"{g.customer.reference}-{year}.zip",
    )
