"""Fixtures of the course: every function of the exercises by its name.

A function is that of quatnet, or that of the file given with --implementation. A failure then explains the mistake in
a few lines in place of a traceback.
"""

import re

import pytest
from hypothesis import Phase, settings
from support.exercises.explain import explain_all, hint_lines
from support.exercises.library import LIBRARY
from support.exercises.loading import ExerciseError, chapter_of, learner_functions, load

CALLS = pytest.StashKey[list]()
MODULE = pytest.StashKey[object]()
SHOWN = pytest.StashKey[dict]()
LIBRARY_NAMES = pytest.StashKey[list]()  # functions that the file of the learner does not define


def pytest_configure(config):
    path = config.getoption("implementation", None)
    if path is None:
        return
    try:
        config.stash[MODULE] = load(path)
    except ExerciseError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[CALLS], config.stash[SHOWN], config.stash[LIBRARY_NAMES] = [], {}, []
    config.option.reportchars = ""
    options = {"phases": (Phase.explicit, Phase.generate), "database": None, "derandomize": True}
    settings.register_profile("learner", max_examples=20, deadline=None, **options)
    settings.load_profile("learner")


def pytest_runtest_setup(item):
    if MODULE in item.config.stash:
        item.config.stash[CALLS].clear()


@pytest.fixture(scope="module")
def functions(request):
    """Return the functions of the chapter of a test module."""
    chapter, stash = chapter_of(request.path), request.config.stash
    if MODULE not in stash:
        return LIBRARY[chapter]
    result = learner_functions(chapter, stash[MODULE], stash[CALLS])
    stash[LIBRARY_NAMES] += [name for name, function in result.items() if function is LIBRARY[chapter][name]]
    return result


def _fixture(name):
    @pytest.fixture(scope="module", name=name)
    def fixture(functions):
        return functions[name]

    return fixture


for _name in {name for chapter in LIBRARY.values() for name in chapter}:
    globals()[f"_{_name}"] = _fixture(_name)


def pytest_terminal_summary(terminalreporter, config):
    if names := config.stash.get(LIBRARY_NAMES, []):
        terminalreporter.write_line(f"functions of quatnet, which the file does not define: {', '.join(names)}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if MODULE in item.config.stash and call.excinfo is not None and report.failed:
        text = _explanation(item, call.excinfo.value)
        if item.config.option.tbstyle == "auto":
            report.longrepr = text
        else:  # --tb=short: with the traceback
            report.sections.append(("explanation", text))


def _explanation(item, error):
    """Return the explanation of a failure. A mistake in a function is explained once."""
    chapter, config = chapter_of(item.path), item.config
    hints, calls = config.getoption("hints"), config.stash[CALLS]
    try:
        explanations = list(explain_all(chapter, calls, hints).values())
    except Exception:  # a result of an unexpected type, which cannot be compared
        explanations = []
    explanations = explanations or [_lines_of(chapter, error, hints, calls)]
    texts = [_once(config.stash[SHOWN], item.name, lines) for lines in explanations]
    called = {call.name for call in calls}
    if others := [name for name in LIBRARY[chapter] if name in item.fixturenames and name not in called]:
        texts += [f"Not tested yet, because this test stopped before: {', '.join(others)}."] if called else []
    return "\n".join(texts)


def _once(shown, test, lines):
    """Return the lines of an explanation, or a reference to the first test that had the same explanation."""
    name = re.split("[( :]", lines[0])[0]
    key = name, lines[1] if lines[1:] and lines[1].startswith("The mistake") else ""
    first = shown.setdefault(key, test)
    return "\n".join(lines) if first == test else f"{name}: the same as in {first}"


def _lines_of(chapter, error, hints, calls):
    """Return the explanation of an exception, for a test without a wrong result."""
    text = str(error).strip()
    if not isinstance(error, AssertionError):
        return [f"{type(error).__name__}: " + "\n".join(text.splitlines()[:8])]
    name = next((name for name in LIBRARY[chapter] if text.startswith(name)), calls[-1].name if calls else None)
    lines = text.splitlines()[: 1 if isinstance(error, ExerciseError) else 8]
    return ["\n".join(lines), *hint_lines(chapter, name, hints)] if name else ["\n".join(lines)]
