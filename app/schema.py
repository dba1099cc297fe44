"""Rows and rights that every installation has beside its tables. Runs as the owner, again is harmless."""

from typing import Any, Final

import psycopg

HOUSE_SQL: Final = """
INSERT INTO customer (customer_id, reference, name, email, kind, country, locale, currency, address_line1,
                      postal_code, city, provisional_limit_micros, status, created_at)
VALUES (1, 'house', 'House', 'house@tegoed.invalid', 'house', 'NL', 'nl', 'EUR', '', '', '', 0, 'active',
        '2026-01-01T00:00:00Z')
ON CONFLICT DO NOTHING;
INSERT INTO customer_reference (reference, customer_id) VALUES ('house', 1) ON CONFLICT DO NOTHING;
INSERT INTO balance (customer_id, prepaid_micros, credits_micros, promo_micros, held_micros,
                     receivable_micros, overdraft_micros, last_transfer_number)
VALUES (1, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING;
"""


def after_create(connection: psycopg.Connection[Any]) -> None:
    connection.execute(HOUSE_SQL)
