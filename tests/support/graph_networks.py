"""Networks of many kinds of ops, with an example input."""

import numpy as np

from quatnet import nn, ops
from quatnet.backend import xp
from quatnet.models import CNN, CNNConfig, ResNet, ResNetConfig

from .arrays import draw


class Net(nn.Module):
    """Network of named layers and a function of (layers, x, train, rng)."""

    def __init__(self, forward, **layers):
        self.__dict__ |= layers
        self.forward = forward

    def __call__(self, x, *, train=False, rng=None):
        return self.forward(self, x, train, rng)


def randomize(model, seed=7):
    """Draw random values for all parameters and running statistics."""
    rng = np.random.default_rng(seed)
    state = model.state_dict()
    for name, array in state.items():
        if name.endswith("running_cov"):
            factor = rng.standard_normal(array.shape)
            state[name] = factor @ factor.swapaxes(-1, -2) + np.eye(4)
        elif name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 2, array.shape)
        elif "norm" in name or array.ndim == 1:
            state[name] = array + 0.3 * rng.standard_normal(array.shape)
        else:
            state[name] = rng.standard_normal(array.shape) * (0.5 / np.sqrt(array[..., 0].size))
    model.load_state_dict(state)
    return model


def rng():
    return np.random.default_rng(0)


def image(*shape):
    return draw(3, *shape, dtype=np.float32)


def _real_chain():
    def forward(m, x, train, rng):
        h = ops.tanh(m.conv1(x))
        h = ops.sigmoid(m.conv2(h) + m.conv3(h))
        return m.head(ops.max(ops.mean(h, axis=1), axis=1))

    layers = {f"conv{n + 1}": nn.Conv2d(c, 6, bias=True, rng=rng()) for n, c in enumerate((3, 6, 6))}
    return Net(forward, **layers, head=nn.Linear(6, 4, rng=rng())), image(3, 7, 6, 3)


def _flatten():
    layers = [nn.Conv2d(2, 4, stride=2, rng=rng()), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 3, 7, rng=rng())]
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(7, 3, rng=rng())), image(3, 7, 6, 2)


def _concatenation():
    def forward(m, x, train, rng):
        h = m.norm(ops.concatenate([m.a(x), m.b(x)]), train=train)
        return ops.mean(m.c(ops.relu(h[..., 1:9]) * m.factor), axis=(1, 2))

    a, b, c = (nn.Conv2d(*pair, rng=rng()) for pair in ((2, 4), (2, 6), (8, 5)))
    return Net(
        forward, a=a, b=b, c=c, norm=nn.BatchNorm(10), factor=nn.module.parameter(np.ones(8, np.float32))
    ), image(3, 5, 4, 2)


def _quaternion_unet():
    def forward(m, x, train, rng):
        h = ops.relu(m.norm(m.down(x), train=train))
        h = m.up(ops.avg_pool2d(h))
        h = ops.concatenate([_blocks(h), _blocks(x)])
        return ops.mean(m.out(ops.reshape(h, (x.shape[0], 6, 8, -1))), axis=(1, 2))

    return Net(
        forward,
        down=nn.QuaternionConv2d(8, 12, rng=rng()),
        norm=nn.QuaternionBatchNorm(12),
        up=nn.QuaternionConvTranspose2d(12, 16, stride=2, rng=rng()),
        out=nn.QuaternionConv2d(24, 8, rng=rng()),
    ), image(3, 6, 8, 8)


def _blocks(x):
    return ops.reshape(x, (*x.shape[:3], 4, x.shape[3] // 4))


def _encoders():
    def forward(m, x, train, rng):
        h = m.conv(x)
        h = ops.concatenate([m.q1(ops.repeat_encoder(h)), m.q2(ops.zero_pad_encoder(h)), m.q3(m.learned(h))])
        return ops.mean(h, axis=(1, 2))

    quaternion = {f"q{n}": nn.QuaternionConv2d(12, 8, rng=rng()) for n in (1, 2, 3)}
    return Net(forward, conv=nn.Conv2d(2, 3, rng=rng()), learned=nn.LearnedEncoder(3, rng=rng()), **quaternion), image(
        3, 5, 4, 2
    )


def _groups():
    layers = [
        nn.Conv2d(4, 8, groups=2, rng=rng()),
        nn.ReLU(),
        nn.Conv2d(8, 16, groups=8, rng=rng()),
        nn.BatchNorm(16),
        nn.ReLU(),
        nn.QuaternionConv2d(16, 16, groups=2, rng=rng()),
        nn.QuaternionConv2d(16, 16, groups=4, rng=rng()),
        nn.Conv2d(16, 6, kernel_size=1, rng=rng()),
        nn.Flatten(),
        nn.Linear(4 * 3 * 6, 3, rng=rng()),
    ]
    return nn.Sequential(*layers), image(3, 4, 3, 4)


def _shared_layers():
    def forward(m, x, train, rng):
        h = m.first(x)
        for _ in range(2):
            h = ops.relu(m.norm(m.conv(h), train=train))
        gate = ops.sigmoid(m.expand(ops.relu(m.squeeze(ops.mean(h, axis=(1, 2))))))
        h = h * ops.reshape(gate, (gate.shape[0], 1, 1, 6))
        return m.head(ops.mean(h, axis=(1, 2)))

    layers = {"first": nn.Conv2d(2, 6, rng=rng()), "conv": nn.Conv2d(6, 6, rng=rng()), "norm": nn.BatchNorm(6)}
    linear = {"squeeze": (6, 4), "expand": (4, 6), "head": (6, 3)}
    return Net(forward, **layers, **{key: nn.Linear(*pair, rng=rng()) for key, pair in linear.items()}), image(
        3, 5, 4, 2
    )


def _quaternion_norms():
    layers = [
        nn.QuaternionConv2d(4, 8, rng=rng()),
        nn.WhiteningBatchNorm(8),
        nn.ModReLU(8),
        nn.NormMaxPool2d(2),
        nn.QuaternionConv2d(8, 12, rng=rng()),
        nn.QuaternionBatchNorm(12),
        nn.QuaternionDropout(0.3),
        nn.QuaternionRotationConv2d(12, 8, rng=rng()),
        nn.Flatten(),
        nn.QuaternionLinear(3 * 2 * 8, 16, rng=rng()),
        nn.NormHead(16, 3, rng=rng()),
    ]
    return nn.Sequential(*layers), image(3, 6, 4, 4)


def _signals():
    def forward(m, x, train, rng):
        h = ops.relu(m.norm(m.conv(x)))
        h = m.quaternion(h)[..., :3]
        return m.head(ops.mean(h, axis=1)) ** 2 + ops.exp(m.head2(ops.max(h, axis=1)) / 3.0)

    return Net(
        forward,
        conv=nn.Conv1d(2, 8, dilation=2, rng=rng()),
        norm=nn.LayerNorm(8),
        quaternion=nn.QuaternionConv1d(8, 12, rng=rng()),
        head=nn.Linear(3, 4, rng=rng()),
        head2=nn.Linear(3, 4, bias=False, rng=rng()),
    ), image(3, 9, 2)


def _built_in(config, network=CNN):
    return lambda: (network(config, rng=rng()), image(3, 24, 16, 4))


RESNET = ResNetConfig(3, True, ((8, 8), (8, 8), (12, 16), (8, 16), (12, 12)), 8, mels=16, stages=(1, 2))
FACTORIES = {
    "qcnn": _built_in(CNNConfig(3, True, ((8, 12), (16, 8)), 8, mels=16)),
    "cnn": _built_in(CNNConfig(3, False, ((5, 6), (7,)), 6, mels=16, input_norm="cell", last_pool=True)),
    "qresnet": _built_in(RESNET, ResNet),
    "real chain": _real_chain,
    "flatten": _flatten,
    "concatenation": _concatenation,
    "quaternion u-net": _quaternion_unet,
    "encoders": _encoders,
    "groups": _groups,
    "shared layers": _shared_layers,
    "quaternion norms": _quaternion_norms,
    "signals": _signals,
}


def _randomized(factory):
    def make():
        model, x = factory()
        return randomize(model), xp.asarray(x)

    return make


NETWORKS = {name: _randomized(factory) for name, factory in FACTORIES.items()}
