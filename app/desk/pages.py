"""The desk's own pages beside those of the slices, as the factory registers them."""

from typing import Final

from flask import Blueprint

from app.desk import (
    accounts,
    adjustments,
    audit_log,
    brand,
    customer_team,
    figures,
    meters,
    provider,
    runs,
    staff,
    viewing,
)

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    accounts.blueprint,
    adjustments.blueprint,
    audit_log.blueprint,
    brand.blueprint,
    customer_team.blueprint,
    figures.blueprint,
    meters.blueprint,
    provider.blueprint,
    runs.blueprint,
    staff.blueprint,
    viewing.blueprint,
)
