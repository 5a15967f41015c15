"""Test that a docstring with a list of parameters mentions all of them."""

import inspect
import re

import pytest
from support.public_functions import public_functions

INHERITED = {"quatnet.profile.counts.LayerCost"}  # its docstring refers to that of the parent class
LISTS = {name: (function, doc) for name, function, doc in public_functions() if "Parameters\n" in doc}


@pytest.mark.parametrize("name", sorted(LISTS.keys() - INHERITED))
def test_all_parameters_are_described(name: str) -> None:
    function, doc = LISTS[name]
    parameters = {key for key in inspect.signature(function).parameters if key not in ("self", "cls")}
    assert {key for key in parameters if not key.startswith("_")} <= set(re.findall(r"\w+", doc))
