"""A custom quaternion network of `quatnet.nn` layers: trained, counted, pruned, compiled, saved and exported.

The clips are synthesized sounds. The export to ONNX needs the packages onnx and onnxruntime.

python examples/custom_network.py [--epochs 8] [--seed 0]
"""

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import quatnet
from quatnet import Tensor, audio, datasets, graph, nn, ops, profile, prune, training
from quatnet.cli import nonnegative_int, positive_int, run_main


class SmallNetwork(nn.Module):
    """A network of three quaternion convolutions and a real linear head.

    The input has shape (clips, frames, mels, 4). The logits have shape (clips, classes).
    """

    def __init__(self, classes: int, *, rng: np.random.Generator) -> None:
        self.input_norm = nn.BatchNorm(4)  # a mean and a variance for each component r, i, j, k
        self.backbone = nn.Sequential(
            nn.QuaternionConv2d(4, 32, kernel_size=3, rng=rng),  # 4 real input channels: 1 quaternion channel
            nn.BatchNorm(32),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.QuaternionConv2d(32, 64, kernel_size=3, rng=rng),
            nn.BatchNorm(64),
            nn.ReLU(),
            nn.AvgPool2d(4),
            nn.QuaternionConv2d(64, 64, kernel_size=3, rng=rng),
            nn.BatchNorm(64),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.head = nn.Linear(64, classes, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        feature_map = self.backbone(self.input_norm(Tensor(x), train=train), train=train, rng=rng)
        return self.head(ops.mean(feature_map, axis=(1, 2)))  # mean over time and frequency


# programs of other processes, which have no class SmallNetwork
LOAD = """
import numpy as np; from quatnet import graph
print("loaded:       ", graph.load({path!r})(np.load({inputs!r})).data[0].round(3))
"""
RUN_ONNX = """
import numpy as np, onnxruntime as ort
print("probabilities:", ort.InferenceSession({path!r}).run(None, {{"waveform": np.load({inputs!r})}})[0][0].round(3))
"""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a tiny run of every step, in seconds")
    parser.add_argument("--epochs", type=positive_int, help="passes over the training clips (8)")
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="seed of sounds, weights and shuffling (0)")
    parser.add_argument("--out", type=Path, default=Path("runs/custom_network"), help="folder of the checkpoint")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    return parser.parse_args()


def main() -> None:
    args = options()
    data = datasets.synthetic.load(clips_per_class=5 if args.smoke else 20, seed=args.seed, clip_seconds=2.0)
    frontend = audio.FrontEnd(hop=1280, floor_db=-60.0, clip_seconds=2.0)
    features = datasets.features(data.clips, frontend, cache=args.out.parent / "features")
    test = data.folds == 1

    network = SmallNetwork(len(data.classes), rng=np.random.default_rng(args.seed))
    print(f"{sum(parameter.size for parameter in network.parameters()):,} parameters")

    loader = training.DataLoader(
        features[~test], datasets.one_hot(data.labels[~test], len(data.classes)), batch_size=16
    )
    epochs = args.epochs or (2 if args.smoke else 8)
    checkpoint = args.out / "network.npz"
    training.fit(network, loader, epochs=epochs, seed=args.seed, checkpoint=checkpoint, resume=args.resume)
    accuracy = training.evaluate(network, features[test], data.labels[test])
    print(f"accuracy on {test.sum()} test clips: {accuracy:.1%}")

    example = features[:1]
    traced = graph.trace(network, example)
    print(traced, "", sep="\n")  # the operations, with shapes, parameters and multiplications

    pruned = prune.prune_filters(network, prune.select(network, 0.5, example=example))
    training.fit(pruned, loader, epochs=max(1, epochs // 2), max_lr=1e-3, seed=args.seed)
    before, after = graph.count(traced), graph.count(pruned.graph)
    print(f"pruned from {before.parameters:,} to {after.parameters:,} parameters, and from", end=" ")
    print(f"{before.multiplications_8 / 1e6:.1f} to {after.multiplications_8 / 1e6:.1f} million multiplications")
    print(f"accuracy after pruning: {training.evaluate(pruned, features[test], data.labels[test]):.1%}")

    compiled = quatnet.compile(pruned, example)
    times = [profile.milliseconds_per_clip(model, features[0]) for model in (pruned, compiled)]
    print(f"{times[0]:.1f} ms per clip, compiled {times[1]:.1f} ms")

    graph.save(pruned, args.out / "pruned.npz")
    np.save(args.out / "features.npy", example)
    print("logits:       ", pruned(example).data[0].round(3))
    run(LOAD, args.out / "pruned.npz", args.out / "features.npy")
    if find_spec("onnxruntime"):
        graph.to_onnx(pruned, args.out / "pruned.onnx", frontend=frontend, classes=data.classes)
        waveform, sample_rate_hz = data.clips[0].source()
        waveform = audio.resample(waveform, sample_rate_hz, frontend.sample_rate_hz)
        np.save(args.out / "waveform.npy", audio.fix_length(waveform, frontend.samples).astype(np.float32)[None])
        run(RUN_ONNX, args.out / "pruned.onnx", args.out / "waveform.npy")


def run(program: str, path: Path, inputs: Path) -> None:
    """Run a program in another process."""
    subprocess.run([sys.executable, "-c", program.format(path=str(path), inputs=str(inputs))], check=True)


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume continues from the last finished epoch", hint="; see --resume")
