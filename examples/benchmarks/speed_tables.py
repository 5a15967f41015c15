"""The figures of the benchmark in words: tables, ratios, and what each of them means."""

from typing import Any

RATIOS = {  # name: which job, and which way of PyTorch
    "inference_vs_peers": ("inference", "peers"),
    "inference_vs_expanded": ("inference", "expanded"),
    "inference_vs_real_cnn14": ("inference", "real"),
    "inference_vs_compiled_cnn14": ("inference", "real, compiled"),
    "step_vs_peers": ("step", "peers"),
    "step_vs_real_cnn14": ("step", "real"),
    "small_step_vs_peers": ("small_step", "peers"),
}
DEFINITIONS = {
    "ratios": "median time of PyTorch over that of quatnet; above 1 quatnet is faster",
    "step_memory": "growth of memory of quatnet over that of PyTorch, peers; below 1 quatnet takes less",
    "memory": "bytes resident at the peak of two training steps, less those just before the first; own processes",
    "inference": "the whole network on a batch of normal numbers; quatnet: models.compile(model)",
    "step": "forward, softmax cross entropy, backward, Adam, gradients cleared; PyTorch: the fused Adam",
    "peers": "four parameters r, i, j, k, concatenated to the real block matrix at every call, then conv2d",
    "expanded": "the block matrix concatenated once and for all",
    "real": "the real network of the same widths, or the real convolution; of the log-mel alone",
    "real, compiled": "torch.compile with frozen weights, which folds the batch norms",
    "layouts": "channels first and channels last were tried, the faster one counts",
    "products_8": "real multiplications with eight per quaternion product; GFLOP/s counts sixteen, and additions",
    "limit": "2 x products_8 over the speed of a float32 matrix product on as many threads",
    "errors": "largest difference from float64 over the largest value, on every layer; forward and both gradients",
}
WAYS = ("peers", "expanded", "real")


def share_of_limit(row: dict[str, Any], gflops: float) -> float:
    """Return the eight-product limit over the time of quatnet: 1 at the limit, more where Winograd passes it."""
    return 2e-9 * row["products_8"] / gflops / row["sides"]["quatnet"]["median"]


def network_lines(row: dict[str, Any]) -> list[str]:
    """Return one line for each side of a measured job."""
    ours = row["sides"]["quatnet"]["median"]
    lines = [_side_line("quatnet", row["sides"]["quatnet"], f"{row['share_of_limit']:.0%} of the eight-product limit")]
    for way, layout in row["layouts"].items():
        times = row["sides"][way]
        lines.append(_side_line(f"PyTorch, {way}", times, f"{times['median'] / ours:.2f} x quatnet's time ({layout})"))
    return lines


def _side_line(name: str, times: dict[str, Any], remark: str) -> str:
    return f"  {name:24} median {1000 * times['median']:9.2f} ms   min {1000 * times['min']:9.2f} ms   {remark}"


def milliseconds(seconds: float) -> str:
    """Return a time with three digits, or all those before the point."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{1000 * seconds:.0f} ms"


def layer_head() -> str:
    ratios = "".join(f"{'vs ' + way:>12}" for way in WAYS)
    return f"layer           map      channels     batch direction               ms    min GFLOP/s of limit{ratios}"


def layer_line(row: dict[str, Any]) -> str:
    """Return one line for a layer in one direction; GFLOP/s counts sixteen products."""
    ours = row["sides"]["quatnet"]
    ratios = (f"{times / ours['median']:12.2f}" for times in layer_times(row).values())
    return (
        f"{row['name']:15} {row['height']:3}x{row['width']:<3} {row['channels']:4} -> {row['outputs']:<4} "
        f"{row['batch']:5} {row['direction']:15} {1000 * ours['median']:8.2f} {1000 * ours['min']:6.2f} "
        f"{4e-9 * row['products_8'] / ours['median']:7.1f} {row['share_of_limit']:8.0%} {''.join(ratios)}"
    )


def layer_times(row: dict[str, Any]) -> dict[str, float]:
    """Return the median seconds of each way of PyTorch in its better layout; nothing without PyTorch."""
    times = {
        way: [found["median"] for name, found in row["sides"].items() if name.startswith(f"{way},")] for way in WAYS
    }
    return {way: min(each) for way, each in times.items() if each}


def memory_lines(memory: dict[str, dict[str, int] | None]) -> list[str]:
    return [
        f"  {way:12} "
        + (
            "not measured"
            if found is None
            else f"{growth_of(found) / 2**20:8.0f} MB above {found['before'] / 2**20:.0f} MB"
        )
        for way, found in memory.items()
    ]


def growth_of(found: dict[str, int]) -> int:
    return found["peak"] - found["before"]


def growth_line(value: int, row: dict[str, Any]) -> str:
    """Return milliseconds per clip of every side."""
    each = (f"{way} {1000 * times['median'] / row['batch']:8.2f}" for way, times in row["sides"].items())
    return f"  {value:4}: {'   '.join(each)}   ms per clip"


def ratios(fixed: dict[str, dict[str, Any]], memory: dict[str, Any]) -> dict[str, float | None]:
    """Return the ratios of fixed names; None for what could not be measured."""
    found: dict[str, float | None] = {}
    for name, (job, way) in RATIOS.items():
        sides = fixed[job]["sides"]
        found[name] = sides[way]["median"] / sides["quatnet"]["median"] if way in sides else None
    ours, theirs = memory.get("quatnet"), memory.get("peers")
    found["step_memory"] = growth_of(ours) / growth_of(theirs) if ours and theirs else None
    found["share_of_eight_product_limit"] = fixed["inference"]["share_of_limit"]
    return found


def summary_lines(results: dict[str, Any]) -> list[str]:
    """Return the ratios and errors under the names that they have in the JSON."""
    names = {name: "not measured" if value is None else f"{value:.2f}" for name, value in results["ratios"].items()}
    lines = [f"  {name:30} {value}" for name, value in names.items()]
    lines += [f"  error of {form:21} {value:.1e}" for form, value in results["errors"].items()]
    return ["ratios: PyTorch's time over quatnet's, memory the other way round", *lines]
