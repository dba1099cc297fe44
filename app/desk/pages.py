"""The desk's own pages beside those of the slices, as the factory registers them."""

from typing import Final

from flask import Blueprint

from app.desk import adjustments, audit_log, brand, figures, meters, provider, runs, staff, viewing

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    adjustments.blueprint,
    audit_log.blueprint,
    brand.blueprint,
    figures.blueprint,
    meters.blueprint,
    provider.blueprint,
    runs.blueprint,
    staff.blueprint,
    viewing.blueprint,
)
