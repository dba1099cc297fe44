"""Customers: a name, an address, a language; deleted ones are gone (410)."""

import re
from typing import Any

from topups.sandbox.entities import Customer
from topups.sandbox.payment_requests import locale_from, metadata_from, text_from
from topups.sandbox.problems import gone, invalid, unknown
from topups.sandbox.world import World, new_id

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def get_customer(world: World, customer_id: str) -> Customer:
    customer = world.store.find(Customer, customer_id)
    if customer is None:
        raise unknown(customer_id)
    if customer.deleted:
        raise gone(customer_id)
    return customer


def create_customer(world: World, data: dict[str, Any]) -> Customer:
    customer = Customer(id=new_id("cst_"), created_at=world.now())
    fill(customer, data)
    world.store.add(customer)
    return customer


def update_customer(world: World, customer_id: str, data: dict[str, Any]) -> Customer:
    customer = get_customer(world, customer_id)
    fill(customer, data)
    world.store.save(customer)
    return customer


def delete_customer(world: World, customer_id: str) -> None:
    customer = get_customer(world, customer_id)
    customer.deleted = True
    world.store.save(customer)


def customers(world: World) -> list[Customer]:
    return [customer for customer in world.store.every(Customer) if not customer.deleted]


def fill(customer: Customer, data: dict[str, Any]) -> None:
    if "name" in data:
        customer.name = text_from(data, "name")
    if "email" in data:
        email = text_from(data, "email")
        if email is not None and not EMAIL.fullmatch(email):
            raise invalid("email", "The email address is invalid")
        customer.email = email
    if "locale" in data:
        customer.locale = locale_from(data)
    if "metadata" in data:
        customer.metadata = metadata_from(data)
