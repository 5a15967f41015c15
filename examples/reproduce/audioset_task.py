"""Multi-label task of packed AudioSet clips, whose features are computed batch by batch."""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from task import Task
from train_config import AUDIOSET, TrainConfig

from quatnet import audio, plots
from quatnet.datasets import PackedClips, ShardFormat, audioset, balanced_batches, pack
from quatnet.datasets.index import RecordingIndex
from quatnet.distill import binary_cross_entropy_loss, distillation
from quatnet.models import Network
from quatnet.training import predict
from quatnet.training.data import Batches
from quatnet.training.metrics import average_precision, d_prime, mean_over_classes, roc_auc


def pack_tables(args: argparse.Namespace, names: list[str], files: RecordingIndex, format_: ShardFormat) -> PackedClips:
    """Pack the clips of segment tables that are not packed yet, and print the number of missing recordings."""
    tables = [args.data / f"{name}_segments.csv" for name in names]
    segments = audioset.concatenate([audioset.read_segments(table, args.data / audioset.LABELS) for table in tables])
    folder = (args.packed or args.out / "packed") / segments.name
    pack(segments, files, folder, format_)
    packed = PackedClips(segments, folder, format_)
    print(packed.report)
    if args.verify:
        packed.verify()
    return packed


def multi_label_task(train: PackedClips, test: PackedClips, frontend: audio.FrontEnd, steps_per_epoch: int) -> Task:
    """Return the task of clips with several labels. Test clips are used for evaluation only."""
    test_targets, example = test.targets(range(len(test))), test.features([0], frontend)[0]

    def batches(config: TrainConfig) -> Batches:
        return balanced_batches(
            train, frontend, batch_size=config.batch_size, steps_per_epoch=steps_per_epoch, augment=config.augment
        )

    def predict_test(model: Network) -> np.ndarray:
        return np.concatenate([predict(model, x) for x in test.batches(frontend)])

    def auc_and_d_prime(logits: np.ndarray) -> dict[str, float]:
        auc = mean_over_classes(roc_auc(logits, test_targets))
        return {"AUC": auc, "d_prime": d_prime(auc)}

    def plot_precision(logits: np.ndarray, name: str, path: Path) -> None:
        plots.average_precision(average_precision(logits, test_targets), test.segments.classes, name, path)

    return Task(
        classes=test.segments.classes,
        frontend=frontend,
        batches=batches,
        steps_per_epoch=lambda _: steps_per_epoch,
        predict_test=predict_test,
        metric=lambda logits: mean_over_classes(average_precision(logits, test_targets)),
        extra_metrics=auc_and_d_prime,
        plot_predictions=plot_precision,
        example_clip=example,
        example_label=", ".join(test.segments.classes[label] for label in np.flatnonzero(test_targets[0])),
        metadata={"name": f"AudioSet, {train.segments.name}", "fold": "eval", "train": len(train), "test": len(test)},
        metric_name="mAP",
        plot_name="average_precision",
        loss=binary_cross_entropy_loss,
        distillation_loss=partial(distillation, kind="bernoulli", temperature=1.0),
        config=AUDIOSET,
    )
