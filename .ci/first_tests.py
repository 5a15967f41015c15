"""Which tests a reader meets first for each function whose signs matter, and the faults that these tests must catch."""

from pathlib import Path

from faults import Fault, faults_in

ROOT = Path(__file__).resolve().parent.parent
# Numbers of test files -> whole files, and functions or constants wherever they are defined outside of ops and the tape
FIRST_TESTS = {
    "01_quaternions": "hamilton_product conjugate inverse length",
    "threads": "pair_product",
    "02_product_as_a_matrix": "_left _right _spread left_matrix_adjoint"
    " right_matrix_adjoint _columns HADAMARD eight_products _butterfly",
    "04_chain_rule 05_hamilton_gradient": "autodiff/tensor.py autodiff/tape.py autodiff/arrays.py",
    "elementwise_ops quaternion_ops": "ops/activations.py autodiff/reduce.py autodiff/shape.py",
    "05_hamilton_gradient": "ops/hamilton.py",
    "06_im2col convolution_options convolution_kernels": "im2col col2im conv2d_input_gradient conv2d_weight_gradient",
    "07_quaternion_convolution convolution_options convolution_layers": "weight_gradient"
    " ops/linear.py ops/quaternion_blocks.py",
    "convolution_options transposed_convolution": "ops/conv.py ops/quaternion_conv.py",
    "rotation_convolution": "ops/rotation_conv.py",
    "fast_convolution": "matrices of_cotangent to_kernel back _of BACK conv/fast/patched.py",
    "layers quaternion_ops": "ops/pooling.py",
    "layers quaternion_ops kernels_in_the_library": "ops/batchnorm.py",
    "layer_kernels": "kernels/adam.py kernels/hamilton.py moments",
    "kernels_in_the_library": "conv/gpu.py conv/fast/stacks.py",
    "losses": "ops/losses.py",
    "09_distillation": "ops/distillation.py",
    "quaternion_ops": "ops/components.py ops/encoders.py ops/quaternion_activations.py",
    "front_ends": "released",
    "networks published_networks 12_counting_multiplications": "layer_costs weights _additions_8 _by_form"
    " _of_layer torchinfo_mult_adds joined shared_channels",
    "roofline": "layer_passes host_numbers _convolution _fused _around _ends share_of_memory",
    "10_pruning": "prune/scores.py prune/criteria.py prune/choose.py prune/budget.py prune/cut.py",
    "quaternion_norms": "ops/layernorm.py ops/quaternion_batchnorm.py ops/whitening.py",
}
SIGNS = {"hamilton_product": 12, "_butterfly": 8, "eight_products": 4}  # how many there are to flip
COMMUTE = "left matrices commute with right ones, and with them what the adjoint reads off"
WALK = "with fewer threads, each walks further down the rows"
# Faults that change no result: (function, before, after) -> why
EQUIVALENT = {
    ("im2col", "images * size[0]", "images"): WALK,
    ("col2im", "images * height", "images"): WALK,
    ("_left", "np.abs(table).argmax(axis=0).T", "np.abs(table).argmax(axis=0)"): "but for signs, L(p) is symmetric",
    ("_right", "np.abs(table).argmax(axis=1).T", "np.abs(table).argmax(axis=1)"): "but for signs, R(q) is symmetric",
    ("pieces", "math.prod(output) * operand[..., :1].nbytes", "math.prod(output)"): "a matter of memory",
    ("rotation_blocks", "left @ right", "right @ left"): COMMUTE,
    ("rotation_blocks.backward", "g @ right.swapaxes(-2, -1)", "right.swapaxes(-2, -1) @ g"): COMMUTE,
    ("rotation_blocks.backward", "left.swapaxes(-2, -1) @ g", "g @ left.swapaxes(-2, -1)"): COMMUTE,
}
Job = tuple[str, Fault]  # numbers of test files, and what they must catch


def every_job() -> list[Job]:
    """Return all faults with their tests. Raises SystemExit where FIRST_TESTS or SIGNS do not fit the code."""
    tape = {ROOT / "quatnet/autodiff" / name for name in ("tensor.py", "tape.py", "arrays.py", "reduce.py", "shape.py")}
    ops = set(ROOT.glob("quatnet/ops/[!_]*.py")) | tape
    elsewhere = sorted(set(ROOT.glob("quatnet/**/*.py")) - ops)
    jobs = []
    for numbers, names in FIRST_TESTS.items():
        test_files(numbers)
        for name in names.split():
            files, wanted = ([ROOT / "quatnet" / name], "*") if name.endswith(".py") else (elsewhere, name)
            found = [(numbers, fault) for file in files for fault in faults_in(file, wanted)]
            jobs += found if name.endswith(".py") else some(f"faults in {name}", found)
            ops -= set(files)
    if ops:
        raise SystemExit(f"FIRST_TESTS in {__file__} must say which tests are the first of {sorted(map(str, ops))}")
    check_signs([fault for _, fault in jobs])
    return jobs


def test_files(numbers: str) -> list[str]:
    """Return the path of tests/*/test_NAME.py for each name. Raises SystemExit where there is none."""
    found = [some(f"tests/*/test_{n}.py", sorted(ROOT.glob(f"tests/*/test_{n}.py"))) for n in numbers.split()]
    return [str(file) for files in found for file in files]


def some(what: str, found: list) -> list:
    if not found:
        raise SystemExit(f"no {what}: renamed, moved or gone? Correct FIRST_TESTS in {__file__}")
    return found


def check_signs(faults: list[Fault]) -> None:
    """Raise SystemExit unless each sign of SIGNS is flipped once: a fault that is not planted is not caught either."""
    for function, number in SIGNS.items():
        flips = {f.source for f in faults if f.function.split(".")[0] == function and only_a_sign(f)}
        if len(flips) != number:
            raise SystemExit(f"{function}: {len(flips)} signs to flip, expected {number}; see SIGNS in {__file__}")


def only_a_sign(fault: Fault) -> bool:
    return fault.before != fault.after and fault.before.replace("+", "-") == fault.after.replace("+", "-")


def key(fault: Fault) -> tuple[str, str, str]:
    """Return what EQUIVALENT knows a fault by; lines move."""
    return fault.function, fault.before, fault.after
