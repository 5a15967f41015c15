"""Tables and ratios of the benchmark results, and their definitions."""

from typing import Any

RATIOS = {  # name of the ratio -> (job, PyTorch variant)
    "inference_vs_peers": ("inference", "peers"),
    "inference_vs_expanded": ("inference", "expanded"),
    "inference_vs_real_cnn14": ("inference", "real"),
    "inference_vs_compiled_cnn14": ("inference", "real, compiled"),
    "step_vs_peers": ("step", "peers"),
    "step_vs_real_cnn14": ("step", "real"),
    "small_step_vs_peers": ("small_step", "peers"),
}
DEFINITIONS = {
    "ratios": "median time of PyTorch divided by the median time of quatnet; above 1 quatnet is faster",
    "step_memory": "memory growth of quatnet divided by that of PyTorch, peers; below 1 quatnet needs less memory",
    "memory": "peak resident bytes of two training steps minus the bytes before them; each side in its own process",
    "inference": "the whole network on a batch of normally distributed inputs; quatnet: models.compile(model)",
    "step": "forward, softmax cross entropy, backward, Adam, zero_grad; PyTorch: fused Adam",
    "peers": "four parameters r, i, j, k, concatenated to the real block matrix in every call, then conv2d",
    "expanded": "the block matrix is concatenated once, before the measurement",
    "real": "the real network or convolution with the same widths; its input is the log-mel spectrogram only",
    "real, compiled": "torch.compile with frozen weights, which folds the batch norms",
    "layouts": "channels first or channels last, whichever is faster",
    "products_8": "real multiplications with eight per quaternion product; GFLOP/s counts sixteen and the additions",
    "limit": "2 x products_8 divided by the speed of a float32 matrix product with the same number of threads",
    "errors": "largest difference from float64 relative to the largest value; all layers, forward and both gradients",
}
VARIANTS = ("peers", "expanded", "real")


def share_of_limit(row: dict[str, Any], gflops: float) -> float:
    """Return the eight-product limit divided by the time of quatnet.

    The share is 1 at the limit and may exceed 1 with Winograd convolutions.
    """
    return 2e-9 * row["products_8"] / gflops / row["sides"]["quatnet"]["median"]


def network_lines(row: dict[str, Any]) -> list[str]:
    """Return one line per implementation of a measured job."""
    quatnet_seconds = row["sides"]["quatnet"]["median"]
    lines = [_side_line("quatnet", row["sides"]["quatnet"], f"{row['share_of_limit']:.0%} of the eight-product limit")]
    for variant, layout in row["layouts"].items():
        times = row["sides"][variant]
        remark = f"{times['median'] / quatnet_seconds:.2f} x the time of quatnet ({layout})"
        lines.append(_side_line(f"PyTorch, {variant}", times, remark))
    return lines


def _side_line(name: str, times: dict[str, Any], remark: str) -> str:
    return f"  {name:24} median {1000 * times['median']:9.2f} ms   min {1000 * times['min']:9.2f} ms   {remark}"


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds as text with three significant digits.

    Times of at least one second are rounded to milliseconds.
    """
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{1000 * seconds:.0f} ms"


def layer_header() -> str:
    ratios = "".join(f"{'vs ' + variant:>12}" for variant in VARIANTS)
    return f"layer           map      channels     batch direction               ms    min GFLOP/s of limit{ratios}"


def layer_line(row: dict[str, Any]) -> str:
    """Return one line of text for a measurement of `measure_layer`.

    The column GFLOP/s counts sixteen multiplications per quaternion product.
    """
    quatnet = row["sides"]["quatnet"]
    ratios = (f"{times / quatnet['median']:12.2f}" for times in layer_times(row).values())
    return (
        f"{row['name']:15} {row['height']:3}x{row['width']:<3} {row['channels']:4} -> {row['outputs']:<4} "
        f"{row['batch']:5} {row['direction']:15} {1000 * quatnet['median']:8.2f} {1000 * quatnet['min']:6.2f} "
        f"{4e-9 * row['products_8'] / quatnet['median']:7.1f} {row['share_of_limit']:8.0%} {''.join(ratios)}"
    )


def layer_times(row: dict[str, Any]) -> dict[str, float]:
    """Return the median seconds of each PyTorch variant in its faster layout. Without PyTorch the dict is empty."""
    times = {
        variant: [side["median"] for name, side in row["sides"].items() if name.startswith(f"{variant},")]
        for variant in VARIANTS
    }
    return {variant: min(medians) for variant, medians in times.items() if medians}


def memory_lines(memory: dict[str, dict[str, int] | None]) -> list[str]:
    return [
        f"  {variant:12} "
        + (
            "not measured"
            if sizes is None
            else f"{memory_growth(sizes) / 2**20:8.0f} MB above {sizes['before'] / 2**20:.0f} MB"
        )
        for variant, sizes in memory.items()
    ]


def memory_growth(sizes: dict[str, int]) -> int:
    return sizes["peak"] - sizes["before"]


def growth_line(value: int, row: dict[str, Any]) -> str:
    """Return one line with the milliseconds per clip of every implementation."""
    sides = (f"{variant} {1000 * times['median'] / row['batch']:8.2f}" for variant, times in row["sides"].items())
    return f"  {value:4}: {'   '.join(sides)}   ms per clip"


def compute_ratios(rows: dict[str, dict[str, Any]], memory: dict[str, Any]) -> dict[str, float | None]:
    """Return a dict from the name of each ratio to its value. A ratio that was not measured is None."""
    ratios: dict[str, float | None] = {}
    for name, (job, variant) in RATIOS.items():
        sides = rows[job]["sides"]
        ratios[name] = sides[variant]["median"] / sides["quatnet"]["median"] if variant in sides else None
    quatnet, peers = memory.get("quatnet"), memory.get("peers")
    ratios["step_memory"] = memory_growth(quatnet) / memory_growth(peers) if quatnet and peers else None
    ratios["share_of_eight_product_limit"] = rows["inference"]["share_of_limit"]
    return ratios


def summary_lines(results: dict[str, Any]) -> list[str]:
    """Return one line per ratio and error, with the names of the JSON output."""
    names = {name: "not measured" if value is None else f"{value:.2f}" for name, value in results["ratios"].items()}
    lines = [f"  {name:30} {value}" for name, value in names.items()]
    lines += [f"  error of {name:21} {value:.1e}" for name, value in results["errors"].items()]
    return ["ratios: time of PyTorch / time of quatnet; step_memory: quatnet / PyTorch", *lines]
