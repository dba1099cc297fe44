"""The API's shapes of a customer's own prices, as its reference states them."""

from metering.shapes import (
    GraduatedPrice,
    MeterCode,
    PackagePrice,
    PercentagePrice,
    PerUnitPrice,
    Price,
    VolumePrice,
)


class OwnPrice(Price, kw_only=True):
    """A price of one customer's own list."""

    meter: MeterCode


class NewOwnPerUnitPrice(PerUnitPrice, tag="per_unit", kw_only=True):
    meter: MeterCode


class NewOwnGraduatedPrice(GraduatedPrice, tag="graduated", kw_only=True):
    meter: MeterCode


class NewOwnVolumePrice(VolumePrice, tag="volume", kw_only=True):
    meter: MeterCode


class NewOwnPackagePrice(PackagePrice, tag="package", kw_only=True):
    meter: MeterCode


class NewOwnPercentagePrice(PercentagePrice, tag="percentage", kw_only=True):
    meter: MeterCode


NewOwnPrice = (
    NewOwnPerUnitPrice | NewOwnGraduatedPrice | NewOwnVolumePrice | NewOwnPackagePrice | NewOwnPercentagePrice
)
