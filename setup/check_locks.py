"""Do the lock files fit pyproject.toml? Every requirement pinned to a version it allows, every pin hashed,
no registry named, and the same versions in both. Needs no network.
"""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in PIN.findall(lock)}


def problems() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = project["dependencies"]
    wanted = {
        "requirements.lock": runtime,
        "requirements-dev.lock": [*runtime, *project["optional-dependencies"]["dev"]],
    }
    found: list[str] = []
    versions: dict[str, dict[str, str]] = {}
    for name, requirements in wanted.items():
        text = (ROOT / name).read_text()
        versions[name] = pins(text)
        for requirement in map(Requirement, requirements):
            pinned = versions[name].get(canonicalize_name(requirement.name))
            if pinned is None or not requirement.specifier.contains(pinned, prereleases=True):
                found.append(f"{name}: {requirement} is not met by {pinned}")
        blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
        found += [f"{name}: {b.split()[0]} has no hash" for b in blocks if PIN.match(b) and "--hash" not in b]
        found += [f"{name}: names a registry: {line}" for line in text.splitlines() if "://" in line]
    dev = versions["requirements-dev.lock"]
    found += [
        f"requirements-dev.lock: {name} is {dev.get(name)}, not {version}"
        for name, version in versions["requirements.lock"].items()
        if dev.get(name) != version
    ]
    return found


if __name__ == "__main__":
    if complaints := problems():
        sys.exit("\n".join([*complaints, "Run `make lock`."]))
