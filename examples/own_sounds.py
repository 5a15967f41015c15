"""Train a classifier on own recordings in class folders, as `quatnet train` does, and classify a new recording.

    python examples/own_sounds.py                 synthesized sounds, written to class folders first
    python examples/own_sounds.py --data DIR      a folder of class folders, such as DIR/dog/bark.wav

The same from the shell: `quatnet train DIR --out runs/own_sounds`.
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile

from quatnet import audio, datasets, models, training
from quatnet.cli import nonnegative_int, positive_int, run_main
from quatnet.processes import RANK, root_first


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a tiny run of every step, in seconds")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of class folders")
    parser.add_argument("--fold", type=positive_int, default=1, help="fold of the test clips (1)")
    parser.add_argument(
        "--epochs", type=positive_int, help="passes over the training clips (20 for synthesized sounds)"
    )
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="seed of all random numbers (0)")
    parser.add_argument("--out", type=Path, default=Path("runs/own_sounds"), help="folder of the results")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training")
    parser.add_argument("--overwrite", action="store_true", help="replace a finished model")
    return parser.parse_args()


def write_class_folders(folder: Path, *, clips_per_class: int, seed: int) -> None:
    """Write synthesized sounds of 1 to 3 s as WAV files to one folder for each class."""
    rng, data = np.random.default_rng(seed), datasets.synthetic.load(clips_per_class=clips_per_class, seed=seed)
    for number, clip in enumerate(data.clips):
        waveform, rate = clip.source()
        path = folder / data.classes[clip.label] / f"{number:04}x.wav"  # a number at the end would name a source
        path.parent.mkdir(parents=True, exist_ok=True)
        waveform = waveform[: round(rate * rng.uniform(1, 3))]
        if not path.exists():  # --resume compares the times of the files
            soundfile.write(path.with_suffix(".part"), waveform, rate, format="WAV")
            path.with_suffix(".part").rename(path)


def main() -> None:
    args = options()
    epochs = args.epochs or (None if args.data else 2 if args.smoke else 20)
    clips_per_class = 5 if args.smoke else 40
    folder = args.data or args.out / f"sounds-{clips_per_class}-{args.seed}"
    if not args.data:
        with root_first():  # under mpiexec, process 0 writes the files
            if not RANK:
                write_class_folders(folder, clips_per_class=clips_per_class, seed=args.seed)

    # 1. Recordings. Each folder is a class. Clips from one source are in the same fold.
    data = datasets.folder.load(folder)
    print(f"{len(data.clips)} clips of the classes {', '.join(data.classes)}. {data.note}")

    # 2. Features of windows. Short clips are padded with zeros, long ones are divided into windows.
    seconds = datasets.choose_clip_seconds([clip.seconds for clip in data.clips])
    frontend = training.default_frontend(data.clips, seconds)
    split = training.load_split(data, args.fold, frontend, cache=args.out / "features")

    # 3. Training of a quaternion network on all folds but one.
    network = models.build(training.network_config(len(data.classes)), rng=np.random.default_rng(args.seed))
    settings = {"epochs": epochs, "seed": args.seed, "resume": args.resume, "overwrite": args.overwrite}
    classifier, row = training.train_classifier(network, split, args.out / "model.npz", **settings)

    # 4. Results on the test clips, against the linear baseline (average spectrum).
    report = training.evaluate_test(network, split, row, seed=args.seed)
    print(training.format_report(report))

    # 5. Classification of a recording of any length and sample rate.
    clip = data.split(args.fold)[1][0]
    waveform, rate = clip.source()
    confidences = classifier.predict(audio.resample(waveform, rate, 22050), 22050)
    best = np.argsort(-confidences)[:3]
    print(f"{clip.name}:", ", ".join(f"{classifier.classes[label]} {confidences[label]:.2f}" for label in best))
    if RANK:  # under mpiexec, process 0 alone writes files
        return
    training.write_report(args.out, report)
    print(f"model.npz, results.json, tables and figures are in {args.out}")


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume continues from the last finished epoch", hint="; see --resume")
