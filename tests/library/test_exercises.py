"""Tests of the exercises: wrong solutions fail in the course tests, with a message that names the mistake."""

from types import SimpleNamespace

import pytest
from hypothesis import Phase, settings
from support.exercises.explain import explain, mistakes, reference
from support.exercises.library import LIBRARY
from support.exercises.loading import learner_functions
from support.exercises.running import first_failure

from quatnet.backend import on_gpu

pytestmark = pytest.mark.skipif(on_gpu(), reason="the plain solutions compute with NumPy")
CHAPTERS = sorted(LIBRARY)
MISTAKES = [(chapter, message) for chapter in CHAPTERS for message in mistakes(chapter)]


@pytest.fixture(autouse=True)
def few_examples():
    profile = settings.get_current_profile_name()
    options = {"deadline": None, "derandomize": True, "database": None, "phases": (Phase.explicit, Phase.generate)}
    settings.register_profile("wrong solutions", max_examples=5, **options)
    settings.load_profile("wrong solutions")
    yield
    settings.load_profile(profile)


def run(chapter, functions):
    """Run a course test against functions. Return the failure and its explanation."""
    calls = []
    module = SimpleNamespace(__name__=functions["__name__"], **{name: functions[name] for name in LIBRARY[chapter]})
    failure = first_failure(chapter, learner_functions(chapter, module, calls))
    return failure, failure and explain(chapter, calls)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_plain_solution_passes(chapter):
    functions = vars(reference(chapter))
    assert run(chapter, functions)[0] is None


@pytest.mark.parametrize(("chapter", "message"), MISTAKES, ids=[f"{c[:2]}: {m}" for c, m in MISTAKES])
def test_mistake_is_detected_and_named(chapter, message):
    failure, explanation = run(chapter, mistakes(chapter)[message].functions)
    assert failure is not None, "the course test passes"
    assert explanation is not None, f"no wrong call before {failure}"
    assert any(message in line for line in explanation), explanation
