"""The mutants, and the test files that must detect them: for each function the tests that introduce it."""

from pathlib import Path

from mutants import Mutant, mutants_in

ROOT = Path(__file__).resolve().parent.parent
# Names of test files -> files to mutate, and functions or constants defined anywhere outside of ops and autodiff
FIRST_TESTS = {
    "01_quaternions hamilton_product": "_hamilton_product conjugate inverse vector_norm",
    "threads": "pair_product",
    "02_product_as_a_matrix real_matrices": "matrix_entries _fill_matrix _sum_entries",
    "03_eight_multiplications real_matrices": "HADAMARD eight_products _hadamard_transform",
    "chain_rule hamilton_gradient tensor_methods": "autodiff/tensor.py autodiff/tape.py autodiff/arrays.py",
    "elementwise_ops quaternion_ops": "ops/activations.py autodiff/reduce.py autodiff/shape.py",
    "05_hamilton_gradient hamilton_gradient": "ops/hamilton.py",
    "im2col convolution_options convolution_kernels": "im2col col2im conv2d_input_gradient conv2d_weight_gradient",
    "quaternion_convolution convolution_options convolution_layers": "conv/eight_products.py"
    " ops/linear.py ops/quaternion_blocks.py",
    "convolution_options transposed_convolution": "ops/conv.py ops/quaternion_conv.py",
    "rotation_convolution": "ops/rotation_conv.py",
    "fast_convolution": "matrices grad_transform weight_gradient_transform output_transform"
    " _transform OUTPUT_MATRIX conv/fast/im2col_conv.py conv/fast/small_products.py",
    "layers quaternion_ops": "ops/pooling.py",
    "layers quaternion_ops kernels_in_the_library": "ops/batchnorm.py",
    "pooled_batchnorm": "ops/pooled_batchnorm.py",
    "layer_kernels": "kernels/adam.py kernels/hamilton.py",
    "convolution_kernels": "kernels/weight_transform.py",
    "layers quaternion_norms": "_moving_averages",
    "kernels_in_the_library": "conv/gpu.py conv/fast/gpu_layout.py",
    "layer_kernels quaternion_ops": "ops/dropout.py",
    "losses extreme_logits": "ops/losses.py",
    "distillation_formulas distillation_losses": "ops/distillation.py",
    "quaternion_ops": "ops/components.py ops/encoders.py ops/quaternion_activations.py",
    "front_ends": "paper_code_components",
    "sound_features": "resample_poly _filter_phases",
    "networks published_networks counting_multiplications": "layer_costs"
    " _multiplications_winograd _layer_mult_adds torchinfo_mult_adds ResidualBlock",
    "roofline": "layer_kernel_costs _convolution memory_bound_fraction",
    "pruning": "prune/scores.py prune/selection.py prune/budget.py prune/filters.py paper_code/filter_scores.py",
    "quaternion_norms": "ops/layernorm.py ops/quaternion_batchnorm.py ops/whitening.py",
}
# Number of mutants that flip a sign
SIGN_COUNTS = {"_hamilton_product": 12, "_hadamard_transform": 8, "eight_products": 4}
COMMUTE = "left and right matrices commute, and the adjoint reads the same entries"
CHUNKING = "changes the number of rows per thread only"
# Equivalent mutants, which change no result: (function, before, after) -> reason
EQUIVALENT = {
    ("im2col", "images * size[0]", "images"): CHUNKING,
    ("col2im", "images * height", "images"): CHUNKING,
    ("_row_bytes", "2 * image_rows(x)[:1].nbytes", "image_rows(x)[:1].nbytes"): CHUNKING,
    ("images_fit", "math.prod(x.shape[1:-2]) * _row_bytes(x)", "math.prod(x.shape[1:-2])"): CHUNKING,
    ("_make_shape", "4 * kernel[4]", "kernel[4]"): "the shape does not contain the output channels",
    ("gradient_sums", "CANCELLATION - 1", "CANCELLATION + 1"): "changes the rounding only",
    ("_inverse_cholesky_factor", "1e-06 * xp.abs(matrix).max()", "xp.abs(matrix).max()"): "a tolerance for CuPy only",
    (
        "matrix_entries",
        "np.abs(table).argmax(axis=factor).T",
        "np.abs(table).argmax(axis=factor)",
    ): "symmetric up to signs",
    ("image_slices", "math.prod(output) * operand[..., :1].nbytes", "math.prod(output)"): "changes the memory use only",
    ("rotation_matrices", "left @ right", "right @ left"): COMMUTE,
    ("rotation_matrices.backward", "grad @ right.swapaxes(-2, -1)", "right.swapaxes(-2, -1) @ grad"): COMMUTE,
    ("rotation_matrices.backward", "left.swapaxes(-2, -1) @ grad", "grad @ left.swapaxes(-2, -1)"): COMMUTE,
}
Job = tuple[str, Mutant]  # names of test files, and a mutant that they must detect


def all_jobs() -> list[Job]:
    """Return all mutants with their tests. Raises SystemExit if FIRST_TESTS or SIGN_COUNTS do not match the code."""
    tape = {ROOT / "quatnet/autodiff" / name for name in ("tensor.py", "tape.py", "arrays.py", "reduce.py", "shape.py")}
    ops = set(ROOT.glob("quatnet/ops/[!_]*.py")) | tape
    elsewhere = sorted(set(ROOT.glob("quatnet/**/*.py")) - ops)
    jobs = []
    for tests, names in FIRST_TESTS.items():
        test_files(tests)
        for name in names.split():
            files, target = ([ROOT / "quatnet" / name], "*") if name.endswith(".py") else (elsewhere, name)
            mutants = [(tests, mutant) for file in files for mutant in mutants_in(file, target)]
            jobs += mutants if name.endswith(".py") else require(f"mutants of {name}", mutants)
            ops -= set(files)
    if ops:
        raise SystemExit(f"FIRST_TESTS in {__file__} has no tests for {sorted(map(str, ops))}")
    check_sign_counts([mutant for _, mutant in jobs])
    return jobs


def test_files(tests: str) -> list[str]:
    """Return the path of tests/*/test_NAME.py for each name. Raises SystemExit if a file is missing."""
    files = [require(f"tests/*/test_{name}.py", sorted(ROOT.glob(f"tests/*/test_{name}.py"))) for name in tests.split()]
    return [str(file) for matches in files for file in matches]


def require(description: str, items: list) -> list:
    if not items:
        raise SystemExit(f"no {description}: renamed or removed? Update FIRST_TESTS in {__file__}")
    return items


def check_sign_counts(mutants: list[Mutant]) -> None:
    """Raise SystemExit if the number of sign mutants differs from SIGN_COUNTS, which means that mutants are missing."""
    for function, number in SIGN_COUNTS.items():
        flips = {m.source for m in mutants if m.function.split(".")[0] == function and flips_a_sign(m)}
        if len(flips) != number:
            raise SystemExit(f"{function}: {len(flips)} sign mutants, expected {number}; see SIGN_COUNTS in {__file__}")


def flips_a_sign(mutant: Mutant) -> bool:
    return mutant.before != mutant.after and mutant.before.replace("+", "-") == mutant.after.replace("+", "-")


def key(mutant: Mutant) -> tuple[str, str, str]:
    """Return the key of a mutant in EQUIVALENT. It has no line number, since line numbers change."""
    return mutant.function, mutant.before, mutant.after
