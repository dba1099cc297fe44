"""The desk: customers and their balances, jobs that gave up, the mail log, API keys. For operators alone."""

from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from app import jobs as queues
from app import mail
from app.customers import auth, closing
from app.customers.auth import operator_required, support_too
from app.customers.service import find_customer
from app.db import in_unit_of_work, unit_of_work
from app.desk.forms import ApiKeyForm, BounceForm
from app.errors import NotFound
from app.ledger import accounts, statement, suspension
from app.ledger import service as ledger
from app.ledger.wording import described
from app.tables import Order

blueprint = Blueprint("desk", __name__, url_prefix="/desk", template_folder="templates")

PAGE: Final = 50


@blueprint.get("")
@operator_required
def home() -> Response:
    return redirect(url_for("desk.customers"))


@blueprint.get("/customers")
@operator_required
def customers() -> str:
    """Customers with their balances, found by name, reference or e-mail address."""
    search = request.args.get("search", "").strip()[:100]
    order = Order.asked(accounts.COLUMNS, request.args.get("sort"))
    after = request.args.get("after", type=int)
    found = accounts.accounts(order, search=search, after=after, limit=PAGE + 1)
    shown, more = found[:PAGE], len(found) > PAGE
    balances = ledger.get_balances([customer.customer_id for customer in shown]) if shown else {}
    return render_template(
        "desk/customers.html",
        customers=shown,
        balances=balances,
        search=search,
        order=order,
        after=after,
        more=shown[-1].customer_id if more else None,
        leaving=[] if search or after else closing.waiting(),
    )


@blueprint.get("/customers/<reference>")
@operator_required
def customer(reference: str) -> str:
    """One customer: facts, balance, recent movements, grants, mails."""
    found = find_customer(reference)
    return render_template(
        "desk/customer.html",
        customer=found,
        balance=ledger.get_balance(found.customer_id),
        movements=described(statement.recent(found.customer_id, limit=15)),
        grants=ledger.grants(found.customer_id)[:15],
        mails=mail.mail_log(customer_id=found.customer_id, limit=15),
    )


@blueprint.post("/customers/<reference>/suspend")
@operator_required
def suspend(reference: str) -> Response:
    in_unit_of_work(suspension.suspend, find_customer(reference).customer_id)
    flash(gettext("This customer is now suspended: new reservations are refused."), "ok")
    return redirect(url_for("desk.customer", reference=reference), code=303)


@blueprint.post("/customers/<reference>/unsuspend")
@operator_required
def unsuspend(reference: str) -> Response:
    left = in_unit_of_work(suspension.unsuspend, find_customer(reference).customer_id)
    if left.suspended_at is None:
        flash(gettext("This customer is no longer suspended."), "ok")
    else:
        flash(
            gettext(
                "This customer is still suspended, because an invoice is unpaid. "
                "Pause the dunning to lift that."
            ),
            "look",
        )
    return redirect(url_for("desk.customer", reference=reference), code=303)


@blueprint.get("/jobs")
@operator_required
def jobs() -> str:
    return render_template("desk/jobs.html", jobs=queues.failed_jobs())


@blueprint.post("/jobs/<job_id>/retry")
@operator_required
def retry_job(job_id: str) -> Response:
    """Sends a job that gave up once more; the jobs themselves may run twice."""
    if not any(job.job_id == job_id for job in queues.failed_jobs()):
        raise NotFound(gettext("This job is no longer among the failed ones."))
    queues.retry_failed_job(job_id)
    flash(gettext("The job is on its way again."), "ok")
    return redirect(url_for("desk.jobs"), code=303)


@blueprint.get("/mails")
@operator_required
def mails() -> str:
    """Every e-mail, the newest first unless sorted otherwise."""
    before = request.args.get("before", type=int)
    order = Order.asked(mail.COLUMNS, request.args.get("sort"))
    found = mail.mail_log(limit=PAGE + 1, before_id=before, order=order)
    shown, more = found[:PAGE], len(found) > PAGE
    older = shown[-1].mail_id if more else None
    unsure = mail.perhaps_sent() if before is None else []
    return render_template(
        "desk/mails.html", mails=shown, unsure=unsure, order=order, before=before, older=older
    )


@blueprint.post("/mails/<int:customer_id>/<int:mail_id>/send-again")
@operator_required
@support_too
def resend_mail(customer_id: int, mail_id: int) -> Response:
    with unit_of_work():
        mail.resend(customer_id, mail_id)
    flash(gettext("The e-mail is being sent again."), "ok")
    return redirect(url_for("desk.mails"), code=303)


@blueprint.post("/mails/<int:customer_id>/<int:mail_id>/sent")
@operator_required
@support_too
def settle_mail(customer_id: int, mail_id: int) -> Response:
    in_unit_of_work(mail.settle_as_sent, customer_id, mail_id)
    flash(gettext("Noted: this e-mail was sent."), "ok")
    return redirect(url_for("desk.mails"), code=303)


@blueprint.route("/mails/<int:customer_id>/<int:mail_id>/came-back", methods=["GET", "POST"])
@operator_required
@support_too
def came_back(customer_id: int, mail_id: int) -> Response | str | tuple[str, int]:
    """Notes what no mail server told us: a reader's mailbox refused an e-mail later on."""
    form = BounceForm()
    if form.validate_on_submit():
        in_unit_of_work(mail.note_bounce, customer_id, mail_id, form.reason.data)
        flash(gettext("Noted: this e-mail came back."), "ok")
        return redirect(url_for("desk.mails"), code=303)
    page = render_template("desk/mail_came_back.html", form=form, mail=mail.find(customer_id, mail_id))
    return (page, 422) if form.errors else page


@blueprint.route("/api-keys", methods=["GET", "POST"])
@operator_required
def api_keys() -> str | tuple[str, int]:
    """The keys; a new one is shown in the answer to its making, and never again."""
    form = ApiKeyForm()
    made = None
    if form.validate_on_submit():
        with unit_of_work():
            _key, made = auth.create_api_key(form.name.data, created_by=current_user)
        form = ApiKeyForm(formdata=None)
    page = render_template("desk/api_keys.html", form=form, made=made, keys=auth.api_keys())
    return (page, 422) if form.errors else page


@blueprint.post("/api-keys/<key_id>/revoke")
@operator_required
def revoke_api_key(key_id: str) -> Response:
    with unit_of_work():
        auth.revoke_api_key(key_id)
    flash(gettext("The key is revoked. Programs that use it are refused within seconds."), "ok")
    return redirect(url_for("desk.api_keys"), code=303)
