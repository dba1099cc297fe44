"""Every route and who may open it. A new route is entered here, or the matrix fails.

By kind: what a role's permission opens, what any signed-in person (`person`) or the provider's staff opens,
what needs an API key, what a payment provider calls (`hook`), what is open to all. A line names a blueprint
and its endpoints.
"""

from typing import Final

TABLE: Final[dict[str, tuple[str, ...]]] = {
    "view": (
        "account: choose_mails show switch",
        "account_keys: show",
        "adding: show",
        "addressees: edit show",
        "alerts: show",
        "auto_pay: show",
        "charges: attachment",
        "invoice_archive: year_zip",
        "invoicing: invoice invoices itemised_usage paid_copy pdf request_pdf upcoming xml",
        "pay_links: show",
        "portal: dashboard live transactions transactions_csv usage usage_csv",
        "subscriptions: listed show",
        "team: show",
        "topups: auto_top_up payment payment_methods receipt top_up",
        "usage: export",
    ),
    "pay": (
        "addressees: add change remove send_again send_page",
        "invoicing: move_credits",
        "pay_links: make revoke",
        "paying: show start",
        "topups: start_top_up",
    ),
    "manage_methods": (
        "adding: start",
        "auto_pay: save switch_off",
        "topups: place_method resume revoke save_auto_top_up switch_off",
    ),
    "manage_account": (
        "account: ask_to_leave leave save stay",
        "alerts: save",
        "subscriptions: confirm preview resume",
    ),
    "manage_team": ("team: change_role invite remove send_again withdraw",),
    "manage_keys": ("account_keys: make revoke",),
    "person": (
        "invitations: accept",
        "security: authenticator change_password disconnect end_everywhere end_others end_session",
        "security: new_codes show turn_off turn_on",
        "single_sign_on: connect",
    ),
    "staff": (
        "desk: api_keys customer customers home jobs mails resend_mail retry_job revoke_api_key settle_mail",
        "desk: suspend unsuspend",
        "desk_addressees: add change edit remove send_again show",
        "desk_adjustments: adjust approvals approve decline request_adjustment",
        "desk_audit: log",
        "desk_bank: assign entry listed run set_aside take_back undo upload",
        "desk_charges: attachment charge confirm of_customer plans_listed preview put_plan resume",
        "desk_charges: set_terms subscribe subscription withdraw",
        "desk_closing: close show",
        "desk_dunning: give_up invoice listed pause resume waive",
        "desk_exports: audit_file balances_file declaration journal_file show",
        "desk_figures: show",
        "desk_invoices: check_again credit invoice listed pdf send_without_xml",
        "desk_meters: change facts make new prices publish try_one",
        "desk_people: listed tie",
        "desk_prices: tried try_price",
        "desk_runs: listed live retry",
        "desk_settings: save show",
        "desk_staff: change_role invite listed remove",
        "desk_terms: invoicing meter meters",
        "desk_top_ups: listed payment refund",
        "desk_vat: check customer listed",
        "desk_viewing: begin end",
        "desk_webhooks: delete enable log register replay replay_since rotate",
    ),
    "key": (
        "addressees_api: add_addressee change_addressee list_addressees remove_addressee",
        "alerts_api: change_alerts read_alerts",
        "auto_pay_api: change_auto_pay read_auto_pay",
        "bank_api: read_bank_transfer",
        "holds_api: capture_hold list_holds place_hold release_hold",
        "invoicing_api: list_customers_invoices list_invoices read_invoice read_itemised_usage",
        "invoicing_api: read_paid_copy read_pdf read_upcoming_invoice read_xml",
        "invoicing_charges_api: add_charge list_charges read_charge read_charge_attachment",
        "invoicing_charges_api: withdraw_charge",
        "invoicing_credit_api: credit_invoice move_credits",
        "invoicing_dunning_api: give_up list_pauses pause_dunning read_dunning resume_dunning",
        "invoicing_dunning_api: waive_late_fee",
        "invoicing_payments_api: pay_invoice",
        "invoicing_plans_api: change_billing_terms list_plans put_plan read_billing_terms",
        "invoicing_subscriptions_api: add_subscription cancel_subscription change_subscription",
        "invoicing_subscriptions_api: list_subscriptions preview_subscription_change",
        "invoicing_subscriptions_api: read_subscription resume_subscription",
        "ledger_api: change_customer create_customer give_grant list_grants list_transactions",
        "ledger_api: put_overdraft read_balance read_customer suspend unsuspend",
        "metering_api: list_meters list_prices publish_price put_meter take_events void_event",
        "own_prices_api: list_own_prices publish_own_price",
        "pay_links_api: create_pay_link list_pay_links revoke_pay_link",
        "refunds_api: close_customer create_refund list_refunds read_receipt",
        "topups_api: change_auto_top_up create_top_up list_payment_methods list_top_ups",
        "topups_api: read_auto_top_up read_top_up",
        "usage_api: export_events list_events read_usage",
        "vat_api: read_vat_number",
        "webhooks_api: delete_endpoint enable_endpoint list_deliveries list_endpoints",
        "webhooks_api: register_endpoint replay_delivery replay_since rotate_secret",
    ),
    "hook": ("mollie: receive",),
    "public": (
        "brand: colours logo_picture",
        "customers: enter_code request_code second set_language sign_in sign_out",
        "health: healthz metrics readyz",
        "invitations: join show",
        "passwords: ask choose",
        "pay: result show start",
        "portal: home",
        "reference: docs read_openapi",
        "single_sign_on: arrive depart",
    ),
}

KIND_OF: Final[dict[str, str]] = {
    f"{line.partition(':')[0]}.{name}": kind
    for kind, lines in TABLE.items()
    for line in lines
    for name in line.partition(":")[2].split()
}
