"""How something sold beside usage is taxed: by customer, day and VAT category."""

from datetime import date

from app.config import settings
from app.customers.models import Customer
from invoicing import tax, vat_numbers
from invoicing.tax import Buyer, Treatment
from invoicing.tax_rates import Product


def treatment_for(customer: Customer, on: date, product: Product) -> Treatment:
    """Raises TaxRateMissing."""
    begins_on = on.replace(day=1)
    number = vat_numbers.counting(customer.customer_id, customer.vat_number, customer.country, begins_on)
    buyer = Buyer(customer.country, customer.kind == "business", number)
    return tax.treatment_of(buyer, on, seller_country=settings().provider.country, product=product)
