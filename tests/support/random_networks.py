"""Random networks of real and quaternion layers, drawn by hypothesis."""

import numpy as np
from hypothesis import strategies as st

from quatnet import nn, ops

from .graph_networks import Net, image, randomize


class Builder:
    """Random network of real and quaternion layers, drawn by hypothesis. A step maps the list of values to a value."""

    def __init__(self, draw):
        self.draw, self.layers, self.steps, self.channels = draw, [], [], [4]

    def layer(self, layer):
        self.layers.append(layer)
        return len(self.layers) - 1

    def pick(self):
        return self.draw(st.integers(max(0, len(self.channels) - 3), len(self.channels) - 1))

    def add(self, channels, step):
        self.channels.append(channels)
        self.steps.append(step)

    def convolution(self):
        source, outputs = self.pick(), self.draw(st.sampled_from([4, 8, 12]))
        inputs, rng = self.channels[source], np.random.default_rng(len(self.layers))
        kinds = [nn.Conv2d] + [nn.QuaternionConv2d, nn.QuaternionRotationConv2d] * (inputs % 4 == 0)
        kind, bias = self.draw(st.sampled_from(kinds)), self.draw(st.booleans())
        units = (inputs, outputs) if kind is nn.Conv2d else (inputs // 4, outputs // 4)
        groups = self.draw(st.sampled_from([g for g in (1, 2, 4) if all(n % g == 0 for n in units)]))
        k = self.layer(kind(inputs, outputs, bias=bias, groups=groups, rng=rng))
        self.add(outputs, lambda m, v, t: m.layers[k](v[source]))

    def norm(self):
        source = self.pick()
        kinds = [nn.BatchNorm] + [nn.QuaternionBatchNorm, nn.WhiteningBatchNorm] * (self.channels[source] % 4 == 0)
        k = self.layer(self.draw(st.sampled_from(kinds))(self.channels[source]))
        self.add(self.channels[source], lambda m, v, t: m.layers[k](v[source], train=t))

    def activation(self):
        source = self.pick()
        op = self.draw(st.sampled_from([ops.relu, ops.tanh, ops.sigmoid]))
        self.add(self.channels[source], lambda m, v, t: op(v[source]))

    def residual(self):
        a, b = self.pick(), self.pick()
        if self.channels[a] == self.channels[b]:
            op = self.draw(st.sampled_from([lambda x, y: x + y, lambda x, y: x * y]))
            self.add(self.channels[a], lambda m, v, t: op(v[a], v[b]))

    def concatenation(self):
        a, b = self.pick(), self.pick()
        self.add(self.channels[a] + self.channels[b], lambda m, v, t: ops.concatenate([v[a], v[b]]))

    def slice(self):
        source = self.pick()
        start = self.draw(st.integers(0, self.channels[source] - 1))
        stop = self.draw(st.integers(start + 1, self.channels[source]))
        self.add(stop - start, lambda m, v, t: v[source][..., start:stop])

    def quaternion_channels(self):
        source = self.pick()
        channels, op = self.draw(
            st.sampled_from([(4, ops.repeat_encoder), (4, ops.zero_pad_encoder)] + [(0.25, ops.quaternion_norm)] * 2)
        )
        if channels == 4 or self.channels[source] % 4 == 0:
            self.add(int(self.channels[source] * channels), lambda m, v, t: op(v[source]))


@st.composite
def networks(draw):
    builder = Builder(draw)
    names = ["convolution"] * 3 + ["norm", "activation", "residual", "concatenation", "slice", "quaternion_channels"]
    for name in ["convolution", *draw(st.lists(st.sampled_from(names), min_size=2, max_size=9))]:
        if max(builder.channels) <= 48:
            getattr(builder, name)()
    flat = draw(st.booleans())
    size = builder.channels[-1] * (12 if flat else 1)
    head = builder.layer(nn.Linear(size, 3, rng=np.random.default_rng(9)))

    def forward(m, x, train, rng):
        values = [x]
        for step in builder.steps:
            values.append(step(m, values, train))
        h = values[-1]
        return m.layers[head](ops.reshape(h, (-1, size)) if flat else ops.mean(h, axis=(1, 2)))

    return randomize(Net(forward, layers=builder.layers)), image(2, 4, 3, 4)
