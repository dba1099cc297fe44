"""The application: settings in, slices wired together.

What must travel upward between slices is subscribed here, so that no slice imports one above it.
"""

from datetime import date, timedelta
from decimal import Decimal

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import (
    cli,
    db,
    document_names,
    errors,
    headers,
    health,
    i18n,
    jobs,
    logs,
    provider_settings,
    schedule,
    sessions,
    tables,
)
from app.config import Settings
from app.customers import auth, invitation_views, oidc, password_views, single_sign_on_views, viewing
from app.customers import views as customers_views
from app.customers.models import Customer
from app.desk import acts, brand, webhooks_api
from app.desk import addressees as desk_addressees
from app.desk import bank as desk_bank
from app.desk import charges as desk_charges
from app.desk import closing as desk_closing
from app.desk import dunning as desk_dunning
from app.desk import exports as desk_exports
from app.desk import invoices as desk_invoices
from app.desk import pages as desk_pages
from app.desk import people as desk_people
from app.desk import prices as desk_prices
from app.desk import terms as desk_terms
from app.desk import vat_numbers as desk_vat
from app.desk import views as desk_views
from app.desk import webhooks as desk_webhooks
from app.distribution import db_commands
from app.ledger import api as ledger_api
from app.ledger import cli as ledger_cli
from app.ledger import holds
from app.portal import account, account_keys, pay, pay_links, pay_links_api, security, shell, team
from app.reference import views as reference_views
from app.schedule import Recurring
from invoicing import (
    addressee_views,
    addressees_api,
    archive_views,
    auto_pay_api,
    auto_pay_views,
    bank_api,
    charge_views,
    charges,
    charges_api,
    credit_api,
    document_views,
    dunning_api,
    extras,
    pay_views,
    payments_api,
    plans_api,
    subscription_closing,
    subscription_leaving,
    subscription_views,
    subscriptions_api,
    vat_api,
)
from invoicing import api as invoicing_api
from invoicing import cli as invoicing_cli
from invoicing import service as invoicing
from invoicing import views as invoicing_views
from metering import alert_views, alerts, alerts_api, holds_api, own_prices_api, usage_api, usage_views
from metering import api as metering_api
from metering import cli as metering_cli
from metering import service as metering
from topups import adding_views, payment_views, refunds_api, webhooks
from topups import api as topups_api
from topups import cli as topups_cli
from topups import desk_views as desk_top_ups
from topups import service as topups
from topups import views as topups_views

BLUEPRINTS = (
    health.blueprint,
    reference_views.blueprint,
    customers_views.blueprint,
    password_views.blueprint,
    invitation_views.blueprint,
    single_sign_on_views.blueprint,
    desk_views.blueprint,
    desk_people.blueprint,
    desk_closing.blueprint,
    desk_invoices.blueprint,
    desk_prices.blueprint,
    desk_terms.blueprint,
    desk_bank.blueprint,
    desk_addressees.blueprint,
    desk_vat.blueprint,
    desk_exports.blueprint,
    desk_webhooks.blueprint,
    *desk_pages.BLUEPRINTS,
    webhooks_api.blueprint,
    ledger_api.blueprint,
    metering_api.blueprint,
    usage_api.blueprint,
    usage_views.blueprint,
    alerts_api.blueprint,
    alert_views.blueprint,
    holds_api.blueprint,
    own_prices_api.blueprint,
    topups_api.blueprint,
    refunds_api.blueprint,
    webhooks.blueprint,
    topups_views.blueprint,
    adding_views.blueprint,
    payment_views.blueprint,
    desk_top_ups.blueprint,
    account.blueprint,
    account_keys.blueprint,
    security.blueprint,
    team.blueprint,
    pay.blueprint,
    pay_links.blueprint,
    pay_links_api.blueprint,
    invoicing_api.blueprint,
    credit_api.blueprint,
    bank_api.blueprint,
    addressees_api.blueprint,
    vat_api.blueprint,
    addressee_views.blueprint,
    plans_api.blueprint,
    charges_api.blueprint,
    charge_views.blueprint,
    subscription_views.blueprint,
    desk_charges.blueprint,
    subscriptions_api.blueprint,
    invoicing_views.blueprint,
    archive_views.blueprint,
    document_views.blueprint,
    pay_views.blueprint,
    payments_api.blueprint,
    auto_pay_views.blueprint,
    auto_pay_api.blueprint,
    dunning_api.blueprint,
    desk_dunning.blueprint,
)
COMMANDS = (
    ledger_cli.group,
    metering_cli.group,
    topups_cli.group,
    invoicing_cli.group,
    cli.jobs,
    cli.mails,
    cli.users,
    cli.keys,
    db_commands,
)
SCHEDULE = (
    Recurring("topups.jobs.sweep", timedelta(seconds=30)),
    Recurring("topups.jobs.reconcile", timedelta(hours=1), "bulk"),
    Recurring("topups.jobs.mandates_daily", timedelta(days=1), "bulk"),
    Recurring("metering.alert_jobs.sweep", timedelta(minutes=10), "bulk"),
    Recurring("metering.jobs.roll_up", timedelta(minutes=1), "bulk"),
    Recurring("metering.jobs.accrue_levels", timedelta(hours=1), "bulk"),
    Recurring("metering.jobs.create_partitions", timedelta(days=1), "bulk"),
    Recurring("invoicing.jobs.close_due", timedelta(minutes=10)),
    Recurring("invoicing.jobs.tell_overdue", timedelta(hours=12), "bulk"),
    Recurring("invoicing.jobs.render_missing", timedelta(minutes=5), "bulk"),
    Recurring("invoicing.dunning_jobs.collect_due", timedelta(hours=1)),
    Recurring("invoicing.dunning_jobs.chase_due", timedelta(hours=3), "bulk"),
    Recurring("invoicing.subscription_jobs.bill_due", timedelta(hours=1), "bulk"),
    Recurring("invoicing.bank_jobs.match_waiting", timedelta(minutes=5), "bulk"),
    Recurring("invoicing.vat_jobs.sweep", timedelta(minutes=10), "bulk"),
    Recurring("app.mail.send_waiting", timedelta(minutes=2)),
    Recurring("app.customers.jobs.forget_old", timedelta(days=1), "bulk"),
    Recurring("app.webhooks.jobs.sweep", timedelta(seconds=30)),
    Recurring("app.webhooks.forgetting.forget_old", timedelta(days=1), "bulk"),
    Recurring("app.ledger.jobs.seal", timedelta(minutes=1), "bulk"),
    Recurring("app.ledger.jobs.expire_holds", timedelta(minutes=1), "bulk"),
    Recurring("app.ledger.jobs.expire_grants", timedelta(minutes=10), "bulk"),
    Recurring("app.api.forget_old_keys", timedelta(hours=1), "bulk"),
)


def create_app(settings: Settings) -> Flask:
    """A WSGI application over these settings. Touches neither database nor network."""
    app = Flask("app")
    app.config["SECRET_KEY"] = settings.secret_key
    app.config["SECRET_KEY_FALLBACKS"] = list(settings.secret_key_fallbacks)
    if settings.trusted_proxies:
        proxies = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]
    app.extensions["settings"] = settings
    logs.init_app(app)
    db.init_app(app, settings)
    provider_settings.init_app(app)
    jobs.init_app(app, settings)
    i18n.init_app(app, settings)
    tables.init_app(app)
    errors.init_app(app)
    auth.init_app(app)
    oidc.init_app(app, settings)
    sessions.init_app(app)
    headers.init_app(app)
    viewing.init_app(app)
    shell.init_app(app)
    acts.init_app(app)
    document_names.init_app(app)
    brand.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for group in COMMANDS:
        app.cli.add_command(group)
    schedule.register(app, *SCHEDULE)
    _subscribe()
    return app


def _subscribe() -> None:
    """Tie the slices together upward: tax, attention, money that comes and goes."""
    metering.set_tax_resolver(invoicing.resolve_tax)
    metering.set_attention_job("topups.jobs.evaluate")
    topups.set_fee_vat_rate(_vat_rate)
    topups.set_usage_reader(_used_by_day)
    topups.on_money_arrived(invoicing.money_arrived)
    topups.on_money_left(invoicing.money_left)
    topups.on_leaving(subscription_leaving.end_all, subscription_leaving.foretell)
    auth.find_by_argument("number", invoicing.find)
    topups.set_transfer_reference(invoicing.top_up_reference_of)
    topups.on_balance_seen(alerts.evaluate, alerts.marks)
    holds.check_holds_with(alerts.refuse_spending)
    extras.add_charge_source("one_off", charges.Waiting())
    extras.add_charge_source("subscription", subscription_closing.Waiting())


def _used_by_day(customer_id: int, first: date, end: date) -> dict[date, int]:
    used: dict[date, int] = {}
    for row in metering.usage_by_day(customer_id, first, end):
        used[row.day] = used.get(row.day, 0) + row.charge_micros
    return used


def _vat_rate(customer: Customer, on: date) -> Decimal:
    facts = metering.CustomerFacts(customer.customer_id, customer.kind, customer.country, customer.vat_number)
    return invoicing.resolve_tax(facts, on).rate
