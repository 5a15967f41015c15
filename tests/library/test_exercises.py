"""Tests of the exercises: wrong solutions fail in the course tests, with a message that names the mistake."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import Phase, settings
from support.exercises.explain import difference, explain, explain_all, mistakes, reference, result_names
from support.exercises.library import LIBRARY
from support.exercises.loading import COURSE, Call, ExerciseError, exercise_file, learner_functions, load
from support.exercises.running import course_module, course_tests, failure_of, first_failure

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
    """Every test that detects the mistake names it, or the first difference, or a wrong function of the same file."""
    functions, calls, lines = mistakes(chapter)[message].functions, [], []
    module = SimpleNamespace(__name__="wrong_solution", **{name: functions[name] for name in LIBRARY[chapter]})
    tested = learner_functions(chapter, module, calls)
    for test in course_tests(chapter).values():
        calls.clear()
        if failure_of(test, tested):
            lines += [explanation[1] for explanation in explain_all(chapter, calls).values()]
    assert any(message in line for line in lines), lines or "the course test passes"
    others = [line for line in lines if line.startswith("The mistake") and "of the same file" not in line]
    assert all(message in line for line in others), others


def recorded_calls(chapter):
    """Return the calls of the plain solution in the test of a chapter."""
    calls, functions = [], vars(reference(chapter))
    module = SimpleNamespace(__name__=functions["__name__"], **{name: functions[name] for name in LIBRARY[chapter]})
    first_failure(chapter, learner_functions(chapter, module, calls))
    return calls


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_wrong_result_of_several_is_named(chapter):
    for call in (call for call in recorded_calls(chapter) if isinstance(call.result, tuple)):
        names = result_names(chapter, call.name, len(call.result))
        assert len(names) == len(call.result)
        for n, name in enumerate(names):
            wrong = (*call.result[:n], np.pi + 7 * call.result[n], *call.result[n + 1 :])
            text = difference(chapter, Call(call.function, call.name, call.args, wrong))
            assert text.startswith(f"In {name}: ")


@pytest.mark.parametrize(
    ("chapter", "function", "names"),
    [
        ("04_chain_rule", "divide_backward", ["grad_a", "grad_b"]),
        ("04_chain_rule", "backpropagate", ["gradients[0]", "gradients[1]"]),
        ("05_hamilton_gradient", "hamilton_product_backward", ["grad_p", "grad_q"]),
        ("08_initialization", "fans", ["fan_in", "fan_out"]),
        ("10_pruning", "remove_filters", ["weight", "norm", "next_weight"]),
        ("13_training_loop", "sgd_step", ["parameter", "velocity"]),
        ("13_training_loop", "adamw_step", ["parameter", "mean", "mean_square"]),
        ("13_training_loop", "clip_gradients", ["gradients[0]", "gradients[1]"]),
        ("16_network_as_data", "fold_batch_norm", ["weight", "bias"]),
    ],
)
def test_names_of_results_are_those_of_the_docstring(chapter, function, names):
    assert result_names(chapter, function, len(names)) == names


# The files of a chapter


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_exercise_file_of_a_chapter(chapter):
    path = exercise_file(chapter)
    module = load(path)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60
    assert f"tests/course/test_{chapter}.py" in module.__doc__
    for name, function in LIBRARY[chapter].items():
        assert list(inspect.signature(getattr(module, name)).parameters) == list(inspect.signature(function).parameters)
        assert (COURSE.parents[1] / function.source.split(" in ")[1]).is_file()
    assert set(reference(chapter).HINTS) == LIBRARY[chapter].keys()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_unwritten_exercise_fails_in_one_line(chapter):
    failure = first_failure(chapter, learner_functions(chapter, load(exercise_file(chapter)), []))
    assert re.fullmatch(r"\w+ is not written yet: replace `raise NotImplementedError`", str(failure[1]))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_course_test_of_a_chapter(chapter):
    text = (COURSE / f"test_{chapter}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 205
    if int(chapter[:2]) <= 3:
        assert not re.search(r"\b(xp|asnumpy|support)\b", text)


def test_numbers_and_titles_of_chapters_tests_and_exercises_are_equal():
    docs = [path.stem for path in (COURSE.parents[1] / "docs").glob("[01][0-9]-*.md")]
    for chapter in docs:
        number, title = chapter.split("-", 1)
        assert f"{number}_{title.removeprefix('the-').replace('-', '_')}" in CHAPTERS
    assert [path.stem.removeprefix("test_") for path in sorted(COURSE.glob("test_*.py"))] == CHAPTERS
    assert [int(chapter[:2]) for chapter in CHAPTERS] == list(range(1, 17))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_title_and_minutes_of_a_chapter_are_equal_everywhere(chapter):
    """The title is that of the chapter, in the index, on the page of the exercises, in the exercise and in the test."""
    docs, number = COURSE.parents[1] / "docs", int(chapter[:2])
    (path,) = docs.glob(f"{chapter[:2]}-*.md")
    text = path.read_text(encoding="utf-8")
    title = re.match(rf"# {number}\. (.*)\n", text)[1]
    minutes = re.search(r"Time:\s(\d+)\sminutes", text)[1]
    index, exercises = ((docs / name).read_text(encoding="utf-8") for name in ("index.md", "exercises.md"))
    row = re.search(rf"^\| {number} \[(.*)\]\({path.name}\) \|.*\|.*\| (\d+) \|", index, re.MULTILINE)
    assert row.groups() == (title, minutes)
    lower = title if title.startswith("im2col") else title[0].lower() + title[1:]
    assert exercises.count(f"[{lower}]({path.name})") == 2
    assert load(exercise_file(chapter)).__doc__.startswith(f"Exercise {number}: {lower}.\n")
    assert course_module(chapter).__doc__.startswith(f"Tests of chapter {number}: {lower}.\n")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_at_least_ten_mistakes_for_an_exercise(chapter):
    assert len(mistakes(chapter)) >= 10


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_table_of_files_and_commands(chapter):
    """The page of the exercises has the copy, the test and the command of the docstring of each exercise."""
    page = (COURSE.parents[1] / "docs/exercises.md").read_text(encoding="utf-8")
    rows = page.partition("## Files and commands")[2].splitlines()
    file, test = exercise_file(chapter).name, f"test_{chapter}.py"
    command = re.search(r"^ +(python -m pytest .*)$", load(exercise_file(chapter)).__doc__, re.MULTILINE)[1]
    copy = re.fullmatch(rf"python -m pytest tests/course/{test} --implementation (my_\w+\.py)", command)[1]
    files = f"[{file}](../tests/course/exercises/{file}) | `{copy}` | [{test}](../tests/course/{test})"
    row = rf"\| {int(chapter[:2])} \[.*\]\({chapter[:2]}-.*\.md\) \| {re.escape(f'{files} | `{command}`')} \|"
    assert [line for line in rows if file in line] == [line for line in rows if re.fullmatch(row, line)] != []


def test_copies_have_different_names():
    texts = [exercise_file(chapter).read_text(encoding="utf-8") for chapter in CHAPTERS]
    assert len({re.search(r"my_\w+\.py", text)[0] for text in texts}) == len(CHAPTERS)


# The option --implementation


def learn(tmp_path, text, *options, chapter="01_quaternions"):
    """Return the output of pytest for a learner's file."""
    path = tmp_path / "my_functions.py"
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/course/test_{chapter}.py"]
    command += ["--implementation", str(path), *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}  # of this run
    return subprocess.run(command, capture_output=True, text=True, cwd=COURSE.parents[1], env=environment).stdout


def test_wrong_sign_is_explained_with_hints(tmp_path):
    text = Path(reference("01_quaternions").__file__).read_text(encoding="utf-8").partition("\nMISTAKES")[0]
    output = learn(tmp_path, text.replace("+ pi * qj", "- pi * qj"), "--hints", "2")
    assert "hamilton_product(i, j) is -k, expected k." in output
    assert "the coefficient of k in i·j has the wrong sign" in output
    assert "Hint 2 of 4" in output
    assert "Hint 3 of 4" not in output
    assert "Traceback" not in output
    assert len(output.splitlines()) < 60


def test_file_with_one_function_uses_the_others_of_quatnet(tmp_path):
    output = learn(tmp_path, "def conjugate(q):\n    return [q[0], -q[1], -q[2], -q[3]]\n")
    assert re.search(r"\d+ passed", output)
    assert "failed" not in output
    others = re.search("functions of quatnet, which the file does not define: (.*)", output)[1].split(", ")
    assert "hamilton_product" in others
    assert "conjugate" not in others


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def norm(q)", "line 1: expected ':'"),
        ("import missing_package", "cannot be imported: ModuleNotFoundError"),
        ("x = 1 / 0", "ZeroDivisionError: division by zero (my_functions.py, line 1)"),
    ],
)
def test_file_that_cannot_be_imported(tmp_path, text, message):
    path = tmp_path / "my_functions.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ExerciseError, match=re.escape(message)) as error:
        load(path)
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(ExerciseError, match="there is no file"):
        load(tmp_path / "missing.py")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("def norm(a, b): return 1", "expected the parameters norm(q), got norm(a, b)"),
        ("def norm(q): pass", "norm: expected a number, got no result (is a `return` missing?)"),
        ("def norm(q): return q", "norm: expected a number, got shape (4,)"),
        ("def norm(q): return 'long'", "norm: expected a number, got str"),
        (
            "def norm(q): return q.length",
            "norm raised AttributeError: 'numpy.ndarray' object has no attribute 'length'",
        ),
        (
            "def norm(q):\n    q *= q\n    return sum(q) ** 0.5",
            "norm changes its arguments: compute new arrays, without in-place changes such as +=",
        ),
        ("def length(q): return 1", "defines none of hamilton_product, conjugate, norm, inverse"),
    ],
)
def test_function_that_does_not_return_a_result(tmp_path, function, message):
    path = tmp_path / "my_functions.py"
    path.write_text(function, encoding="utf-8")
    with pytest.raises(ExerciseError, match=re.escape(message)) as error:
        learner_functions("01_quaternions", load(path), [])["norm"](np.array([1.0, 2, 3, 4]))
    assert "\n" not in str(error.value)


def test_function_that_changes_its_arguments_does_not_change_the_arrays_of_the_test(tmp_path):
    path = tmp_path / "my_functions.py"
    path.write_text("def conjugate(q):\n    q[1:] *= -1\n    return q", encoding="utf-8")
    q = np.array([1.0, 2, 3, 4])
    with pytest.raises(ExerciseError, match="conjugate changes its arguments"):
        learner_functions("01_quaternions", load(path), [])["conjugate"](q)
    np.testing.assert_array_equal(q, [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("chapter", "old", "new"),
    [
        ("04_chain_rule", "[grads[n] for n, (parents, _) in enumerate(tape) if not parents]", "np.array({})"),
        ("13_training_loop", "max_norm / norm", "max_norm / (norm + 1e-6)"),
    ],
)
def test_other_correct_solutions(chapter, old, new):
    source = Path(reference(chapter).__file__).read_text(encoding="utf-8").partition("\nMISTAKES")[0]
    assert source.count(old) == 1
    space = {"__name__": "learner"}
    exec(source.replace(old, new.format(old)), space)
    assert run(chapter, space)[0] is None


FUNCTIONS = [(chapter, name) for chapter in CHAPTERS for name in LIBRARY[chapter]]


@pytest.mark.parametrize(("chapter", "name"), FUNCTIONS)
def test_forgotten_return_is_named(chapter, name):
    _, explanation = run(chapter, {**vars(reference(chapter)), name: lambda *args: None, "__name__": __name__})
    assert any("a `return` is missing" in line for line in explanation)


@pytest.mark.parametrize(("chapter", "name"), FUNCTIONS)
def test_misspelled_name_is_named(chapter, name):
    text = f"def {name}s(*args): pass"
    space = {"__name__": "learner"}
    exec(text, space)
    with pytest.raises(ExerciseError, match=f"{name}s is not a function of this exercise; did you mean {name}?"):
        learner_functions(chapter, SimpleNamespace(**space), [])


def test_wrong_function_of_the_same_file_is_named():
    source = Path(reference("01_quaternions").__file__).read_text(encoding="utf-8").partition("\nMISTAKES")[0]
    space = {"__name__": "learner"}
    exec(source.replace("[1, -1, -1, -1]", "[1, -1, 1, 1]"), space)
    calls = []
    q = np.array([1.0, 2, 3, 4])
    learner_functions("01_quaternions", SimpleNamespace(**space), calls)["inverse"](q)
    assert "inverse calls conjugate of the same file" in explain("01_quaternions", calls)[1]


def test_wrong_function_that_calls_a_wrong_function_is_named():
    source = Path(reference("09_distillation").__file__).read_text(encoding="utf-8").partition("\nMISTAKES")[0]
    space = {"__name__": "learner"}
    exec(
        source.replace(".sum() / len(teacher)", ".mean()").replace("kl_divergence(t, s)", "kl_divergence(s, t)"), space
    )
    calls = []
    args = np.array([[0.0, 0]]), np.array([[1.0, 0]]), 2.0
    learner_functions("09_distillation", SimpleNamespace(**space), calls)["distillation_loss"](*args)
    assert "distillation_loss calls kl_divergence of the same file" in explain("09_distillation", calls)[1]


def test_mistakes_of_two_results_are_named():
    functions = {**vars(reference("04_chain_rule")), "matmul_backward": lambda grad, a, b: (grad @ b, a @ grad)}
    _, explanation = run("04_chain_rule", {**functions, "__name__": __name__})
    expected = "grad_a: b is not transposed in the gradient of a; grad_b: a is not transposed in the gradient of b"
    assert explanation[1] == f"The mistake: {expected}."


@pytest.mark.parametrize(("chapter", "name"), [(chapter, name) for chapter in CHAPTERS for name in LIBRARY[chapter]])
def test_exception_of_a_function_is_named(chapter, name):
    """The arguments can be arrays, shapes, functions, a tape or a list of nodes."""

    def wrong(*args):
        raise TypeError("a value is missing")

    failure, explanation = run(chapter, {**vars(reference(chapter)), name: wrong, "__name__": __name__})
    assert str(failure[1]).startswith(f"{name} raised TypeError: a value is missing")
    assert explanation[0].startswith(f"{name} raised TypeError: a value is missing")


@pytest.mark.parametrize("name", ["hamilton_product", "conjugate", "inverse"])
def test_scalar_last_order_is_named(name):
    def scalar_last(*args):
        return np.roll(LIBRARY["01_quaternions"][name](*(np.roll(arg, 1) for arg in args)), -1)

    calls = []
    module = SimpleNamespace(__name__=__name__, **{name: scalar_last})
    args = [np.array([1.0, 2, 3, 5]), np.array([2.0, -1, 4, 3])]
    learner_functions("01_quaternions", module, calls)[name](*args[: 2 if name == "hamilton_product" else 1])
    assert "here r comes first" in explain("01_quaternions", calls)[1]


@pytest.mark.parametrize(
    ("count", "text"), [(5, "once for each pair"), (16, "without sharing"), (20, "compute z once")]
)
def test_number_of_calls_of_multiply(count, text):
    def eight_products(p, q, multiply):
        for _ in range(count):
            multiply(p[0], q[0])
        return LIBRARY["03_eight_multiplications"]["eight_products"](p, q, lambda a, b: a * b)

    functions = {**vars(reference("03_eight_multiplications")), "eight_products": eight_products}
    failure, _ = run("03_eight_multiplications", {**functions, "__name__": __name__})
    assert re.search(f"multiply was called {count} times, expected 8: .*{text}", str(failure[1]))
