"""Digests of the results of many functions, for comparison between processes with other numbers of threads.

    python -m support.digests

prints a JSON object of digests.
"""

import hashlib
import json

import numpy as np

from quatnet import Tensor, audio, nn, ops, optim, quaternion
from quatnet.backend import asnumpy
from quatnet.distill import linear_probe
from quatnet.models import CNNConfig, build
from quatnet.prune.scores import geometric_median_scores, l1_scores, l2_scores, operator_norm_scores
from support.arrays import draw


def digest(*arrays) -> str:
    contiguous = (np.ascontiguousarray(asnumpy(array)) for array in arrays)
    return hashlib.sha256(b"".join(array.tobytes() for array in contiguous)).hexdigest()[:16]


def op_digest(op, *shapes, **options) -> str:
    """Return a digest of the result and of all gradients of an op."""
    tensors = [Tensor(draw(n, *shape, dtype=np.float32), requires_grad=True) for n, shape in enumerate(shapes)]
    y = op(*tensors, **options)
    y.backward(draw(9, *y.shape, dtype=np.float32))
    return digest(y.data, *(tensor.grad for tensor in tensors))


def training_digest() -> str:
    rng = np.random.default_rng(0)
    model = build(CNNConfig(classes=5, quaternion=True, widths=((16,), (32,)), embedding=32, mels=64), rng=rng)
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(3):
        x, targets = draw(step, 8, 100, 64, 4, dtype=np.float32), np.eye(5, dtype=np.float32)[np.arange(8) % 5]
        ops.cross_entropy(model(x, train=True, rng=rng), targets).backward()
        optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return digest(*model.state_dict().values())


def digests() -> dict[str, str]:
    q, matrices = draw(0, 1 << 18, 4), [draw(n, 4, 300, 300, dtype=np.float32) for n in range(2)]
    narrow = [draw(2, 4, 300, 300, dtype=np.float32), draw(3, 4, 300, 50, dtype=np.float32)]
    weight, embeddings = draw(4, 4, 3, 3, 64, 128, dtype=np.float32), draw(5, 300, 200)
    frontend = audio.FrontEnd(clip_seconds=1)
    wave = draw(6, 70_000) / 9
    norm = nn.WhiteningBatchNorm(64)
    return {
        "front end": digest(frontend(wave, 44_100)),
        "log-mel": digest(audio.log_mel(draw(7, 501, 513) ** 2, frontend.filterbank())),
        "exp": digest(quaternion.exp(q)),
        "product": digest(quaternion.hamilton_product(q, q[::-1])),
        "to_matrix": digest(quaternion.to_matrix(q)),
        "mean_rotation": digest(quaternion.mean_rotation(q[:1000])),
        "matrix product, 8": digest(quaternion.matrix_product(*matrices)),
        "matrix product, 16": digest(quaternion.matrix_product(*matrices, products=16)),
        "narrow matrix product, 8": digest(quaternion.matrix_product(*narrow)),
        "narrow matrix product, 16": digest(quaternion.matrix_product(*narrow, products=16)),
        "scores": digest(*(f(weight) for f in (l1_scores, l2_scores, geometric_median_scores, operator_norm_scores))),
        "probe": digest(linear_probe(embeddings, np.arange(300) % 7, 7)(embeddings)),
        "matmul": op_digest(lambda a, b: a @ b, (300, 400), (400, 500)),
        "batched matmul": op_digest(lambda a, b: a @ b, (3, 300, 200), (3, 200, 100)),
        "linear": op_digest(ops.linear, (64, 512), (512, 527), (527,)),
        "quaternion linear": op_digest(ops.quaternion_linear, (64, 512), (4, 128, 128), (512,)),
        "conv2d": op_digest(ops.conv2d, (4, 30, 31, 32), (3, 3, 32, 64), padding=1),
        "strided conv2d": op_digest(ops.conv2d, (4, 30, 31, 32), (3, 3, 32, 64), padding=1, stride=2),
        "dilated conv2d": op_digest(ops.conv2d, (4, 30, 31, 32), (3, 3, 32, 64), dilation=2),
        "grouped conv2d": op_digest(ops.conv2d, (4, 30, 31, 32), (3, 3, 8, 64), groups=4),
        "conv1d": op_digest(ops.conv1d, (4, 300, 32), (5, 32, 64)),
        "conv_transpose2d": op_digest(ops.conv_transpose2d, (4, 15, 16, 32), (3, 3, 32, 64), stride=2),
        "quaternion conv2d": op_digest(ops.quaternion_conv2d, (4, 30, 31, 32), (4, 3, 3, 8, 16), padding=1),
        "quaternion conv2d, dilated": op_digest(ops.quaternion_conv2d, (4, 30, 31, 32), (4, 3, 3, 8, 16), dilation=2),
        "rotation conv2d": op_digest(
            ops.quaternion_rotation_conv2d, (4, 30, 31, 32), (4, 3, 3, 8, 16), (3, 3, 8, 16), padding=1
        ),
        "batch norm": op_digest(ops.batch_norm, (2, 100, 64, 64), (64,), (64,), relu=True),
        "quaternion batch norm": op_digest(ops.quaternion_batch_norm, (2, 100, 64, 64), (16,), (64,)),
        "whitening batch norm": op_digest(ops.whitening_batch_norm, (2, 100, 64, 128), (10, 32), (128,)),
        "whitening layer": digest(
            norm(Tensor(draw(8, 4, 300, 64, dtype=np.float32)), train=True).data, norm.running_cov
        ),
        "layer norm": op_digest(ops.layer_norm, (4, 100, 512), (512,), (512,)),
        "training": training_digest(),
    }


if __name__ == "__main__":
    print(json.dumps(digests()))
