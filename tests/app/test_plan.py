"""What runs is decided by what the caller's environment already names."""

from pathlib import Path

from app.run.plan import Addresses, Plan

ADDRESSES = Addresses(web_port=8000, sandbox_port=20001, mail_port=20002, smtp_port=20003)


def planned(**given: str) -> Plan:
    return Plan(given, Path("/home/of/tegoed"), ADDRESSES)


def environment(plan: Plan) -> dict[str, str]:
    urls = {"DATABASE_URL": "postgresql://ours", "REDIS_URL": "unix:///ours"}
    return plan.environment(secret_key="ours", mollie_api_key="test_ours", urls=urls)


def names(plan: Plan) -> list[str]:
    return [child.name for child in [*plan.stand_ins(), *plan.product(), *plan.background()]]


def test_alone_everything_is_embedded_and_the_demo_runs() -> None:
    plan = planned()
    assert names(plan) == ["sandbox", "mail", "web", "worker-1", "worker-2", "scheduler", "feeder"]
    assert plan.embeds_postgres
    assert plan.embeds_redis
    assert environment(plan)["MOLLIE_API_URL"] == "http://127.0.0.1:20001"
    assert environment(plan)["SMTP_PORT"] == "20003"
    assert environment(plan)["PUBLIC_URL"] == "http://127.0.0.1:8000"


def test_given_servers_are_used_and_not_started() -> None:
    plan = planned(DATABASE_URL="postgresql://theirs", REDIS_URL="redis://theirs", SMTP_HOST="mx.example")
    assert not plan.embeds_postgres
    assert not plan.embeds_redis
    assert "mail" not in names(plan)
    assert environment(plan)["DATABASE_URL"] == "postgresql://theirs"
    assert environment(plan)["REDIS_URL"] == "redis://theirs"
    assert "SMTP_PORT" not in environment(plan)


def test_with_a_real_mollie_there_is_neither_sandbox_nor_demo() -> None:
    plan = planned(MOLLIE_API_KEY="live_theirs", PUBLIC_URL="https://tegoed.example")
    assert names(plan) == ["mail", "web", "worker-1", "worker-2", "scheduler"]
    assert environment(plan)["MOLLIE_API_KEY"] == "live_theirs"
    assert "MOLLIE_API_URL" not in environment(plan)
    assert environment(plan)["TEGOED_DEMO"] == "0"


def test_the_demo_can_be_left_out() -> None:
    assert "feeder" not in names(planned(TEGOED_DEMO="0"))


def test_an_empty_value_counts_as_not_given() -> None:
    assert planned(DATABASE_URL="").embeds_postgres
    assert environment(planned(SECRET_KEY=""))["SECRET_KEY"] == "ours"
