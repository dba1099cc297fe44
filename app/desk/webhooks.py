"""The desk's page of outgoing webhooks: the addresses, the log of deliveries, sending again."""

from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response
from wtforms.fields.choices import SelectChoice

from app.clock import utc_now
from app.customers.auth import operator_required
from app.db import in_unit_of_work, unit_of_work
from app.desk.forms import ReplayForm, WebhookEndpointForm
from app.errors import AppError
from app.webhooks import service
from app.webhooks.endpoints import EVENTS

blueprint = Blueprint("desk_webhooks", __name__, url_prefix="/desk/webhooks", template_folder="templates")

PAGE: Final = 50


@blueprint.get("")
@operator_required
def log() -> str:
    return _page(WebhookEndpointForm())


@blueprint.post("")
@operator_required
def register() -> str | tuple[str, int]:
    """A new address; its secret is shown in this answer and never again."""
    form = WebhookEndpointForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        with unit_of_work():
            _endpoint, secret = service.register(form.url.data, form.events.data or None)
    except AppError as error:
        form.url.errors = [str(error.detail or error.title)]
        return _page(form), error.status
    return _page(WebhookEndpointForm(formdata=None), secret)


@blueprint.post("/<endpoint_id>/delete")
@operator_required
def delete(endpoint_id: str) -> Response:
    in_unit_of_work(service.delete, endpoint_id)
    flash(gettext("The address is deleted."), "ok")
    return _back()


@blueprint.post("/<endpoint_id>/enable")
@operator_required
def enable(endpoint_id: str) -> Response:
    in_unit_of_work(service.enable, endpoint_id)
    flash(gettext("The address is switched on again."), "ok")
    return _back()


@blueprint.post("/<endpoint_id>/rotate")
@operator_required
def rotate(endpoint_id: str) -> str:
    with unit_of_work():
        _endpoint, secret = service.rotate(endpoint_id)
    return _page(WebhookEndpointForm(formdata=None), secret)


@blueprint.post("/deliveries/<delivery_id>/replay")
@operator_required
def replay(delivery_id: str) -> Response:
    in_unit_of_work(service.replay, delivery_id)
    flash(gettext("The message is being sent again."), "ok")
    return _back()


@blueprint.post("/replay")
@operator_required
def replay_since() -> Response | tuple[str, int]:
    form = ReplayForm()
    form.endpoint.choices = _choices()
    if not form.validate_on_submit():
        return _page(WebhookEndpointForm(formdata=None), replaying=form), 422
    since = utc_now() - form.span
    count = in_unit_of_work(service.replay_since, form.endpoint.data, since)
    text = ngettext("%(num)s message is being sent again.", "%(num)s messages are being sent again.", count)
    flash(text, "ok")
    return _back()


def _back() -> Response:
    return redirect(url_for("desk_webhooks.log"), code=303)


def _choices() -> list[SelectChoice]:
    return [SelectChoice(one.endpoint_id, one.url) for one in service.endpoints()]


def _page(form: WebhookEndpointForm, secret: str | None = None, replaying: ReplayForm | None = None) -> str:
    before = request.args.get("before", type=int)
    endpoints = service.endpoints()
    found = service.deliveries(before=before, limit=PAGE + 1)
    shown = found[:PAGE]
    if replaying is None:
        replaying = ReplayForm(formdata=None)
        replaying.endpoint.choices = _choices()
    return render_template(
        "desk/webhooks.html",
        form=form,
        secret=secret,
        replaying=replaying,
        endpoints=endpoints,
        every=len(EVENTS),
        urls={one.endpoint_id: one.url for one in endpoints},
        deliveries=shown,
        attempts=service.last_attempts(shown),
        before=before,
        older=shown[-1].number if len(found) > PAGE else None,
    )
