"""The lists of versions that are known to work together, `constraints/*.txt`, agree with the ranges of setup.cfg."""

import configparser
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
TESTED = ("", "ebsd", "docs", "cluster", "test", "lint")  # "gpu" needs a GPU, "dev" is a sum of others


def ranges(*extras: str) -> dict[str, list[Requirement]]:
    """The requirements of setup.cfg by name; those of the project itself point to extras, which are in the list."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    found = defaultdict(list)
    for extra in extras:
        text = config["options.extras_require"][extra] if extra else config["options"]["install_requires"]
        for line in text.strip().splitlines():
            if not line.startswith("#"):
                requirement = Requirement(line)
                found[canonicalize_name(requirement.name)].append(requirement)
    found.pop("materials-dl", None)
    return found


def pins(name: str) -> dict[str, Version]:
    """Name -> version of a list; each line is ``name==version``, without addresses of any kind."""
    lines = (ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == "==" and requirement.url is None and requirement.marker is None
            assert canonicalize_name(requirement.name) not in found
            found[canonicalize_name(requirement.name)] = Version(specifier.version)
    return found


@pytest.mark.parametrize("name, extras", [("newest", TESTED), ("oldest", TESTED[:5])])
def test_every_requirement_is_pinned_within_its_range(name, extras):
    pinned = pins(name)
    required = ranges(*extras)
    assert set(required) <= set(pinned)
    outside = {
        str(requirement): str(pinned[key])
        for key, requirements in required.items()
        for requirement in requirements
        if pinned[key] not in requirement.specifier
    }
    assert outside == {}


def test_the_oldest_versions_are_those_that_the_ranges_begin_with():
    pinned, later = pins("oldest"), {}
    for key, requirements in ranges(*TESTED[:5]).items():
        lowest = max(
            Version(specifier.version)
            for requirement in requirements
            for specifier in requirement.specifier
            if specifier.operator == ">="
        )
        if pinned[key].release[: len(lowest.release)] != lowest.release:  # 2024.1.30 is the first of 2024.1
            later[key] = (str(lowest), str(pinned[key]))
    assert later == {}
