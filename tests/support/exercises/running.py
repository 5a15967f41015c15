"""Run the tests of a chapter in this process, against any functions, without pytest."""

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType

import numpy as np

from .loading import COURSE


@cache
def course_module(chapter: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"course_{chapter}", COURSE / f"test_{chapter}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def course_tests(chapter: str) -> dict[str, Callable]:
    """Return the test functions of a chapter by name."""
    module = course_module(chapter)
    return {name: function for name, function in vars(module).items() if name.startswith("test_")}


def failure_of(test: Callable, functions: Mapping[str, Callable]) -> BaseException | None:
    """Return the exception of a test of a chapter, or None if the test passes."""
    fixtures = functions | {"rng": np.random.default_rng(0)}
    try:
        test(**{argument: fixtures[argument] for argument in inspect.signature(test).parameters})
    except Exception as error:
        return error
    return None


def first_failure(chapter: str, functions: Mapping[str, Callable]) -> tuple[str, BaseException] | None:
    """Return the name and the exception of the first test that fails, or None if all pass."""
    for name, test in course_tests(chapter).items():
        if error := failure_of(test, functions):
            return name, error
    return None
