"""The networks of `quatnet.models` once more for PyTorch, in the ways that others compute them.

    peers         four parameters r, i, j, k; their real block matrix is concatenated at every call
    expanded      the block matrix is the parameter: concatenated once, four times the weights
    speechbrain   the peers' way by SpeechBrain's own layer, where it is installed
    real          the real network of the same widths

Only this file and `torch_runs.py` import torch.
"""

import torch
from torch import nn
from torch.nn import functional

from quatnet.models import CNN, CNNConfig

LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


def block_matrix(r, i, j, k):
    """Return the real kernel (4O, 4C, ...) of a quaternion kernel, which multiplies from the left."""
    rows = ([r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r])
    return torch.cat([torch.cat(row, dim=1) for row in rows], dim=0)


class PeersLayer(nn.Module):
    """A quaternion convolution, or a quaternion linear layer where there are no `taps`."""

    def __init__(self, channels: int, outputs: int, taps: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        shape = (outputs // 4, channels // 4, *taps)
        self.r, self.i, self.j, self.k = (nn.Parameter(torch.zeros(shape)) for _ in range(4))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        weight = block_matrix(self.r, self.i, self.j, self.k)
        if weight.ndim == 2:
            return functional.linear(x, weight, self.bias)
        return functional.conv2d(x, weight, self.bias, padding=1)

    def load(self, components) -> None:
        for mine, component in zip((self.r, self.i, self.j, self.k), components, strict=True):
            mine.copy_(component)


class RealLayer(nn.Module):
    """A real convolution or a real linear layer; it takes the components of a quaternion kernel as block matrix."""

    def __init__(self, channels: int, outputs: int, taps: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, channels, *taps))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        if self.weight.ndim == 2:
            return functional.linear(x, self.weight, self.bias)
        return functional.conv2d(x, self.weight, self.bias, padding=1)

    def load(self, components) -> None:
        self.weight.copy_(block_matrix(*components) if len(components) == 4 else components[0])


class SpeechBrainLayer(nn.Module):
    """SpeechBrain's convolution; its layout is (N, W, H, C), and it turns that to channels first inside."""

    def __init__(self, channels: int, outputs: int, taps: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        from speechbrain.nnet.quaternion_networks.q_CNN import QConv2d

        shape = (None, None, None, channels)
        self.conv = QConv2d(outputs // 4, taps, input_shape=shape, bias=bias, padding_mode="constant")

    def forward(self, x):
        return self.conv(x.transpose(1, 3)).transpose(1, 3)

    def load(self, components) -> None:
        for name, component in zip("rijk", components, strict=True):
            getattr(self.conv, f"{name}_weight").copy_(component)


LAYERS = {"peers": PeersLayer, "expanded": RealLayer, "real": RealLayer, "speechbrain": SpeechBrainLayer}


class Network(nn.Module):
    """The network of a `CNNConfig`: (N, frames, mels, 4) -> logits."""

    def __init__(self, config: CNNConfig, way: str, layout: str) -> None:
        super().__init__()
        self.config, self.layout = config, LAYOUTS[layout]
        shared, widths = config.input_norm == "mel", [width for block in config.widths for width in block]
        self.input_norm = nn.BatchNorm2d(config.mels * (1 if shared else config.in_channels), affine=shared)
        layers = zip([config.in_channels, *widths], widths, strict=False)
        self.convs = nn.ModuleList(LAYERS[way](c, o, (3, 3), False) for c, o in layers)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        linear = LAYERS["peers" if way == "speechbrain" else way]
        self.embedding = linear(widths[-1], config.embedding, (), True)
        self.classifier = nn.Linear(config.embedding, config.classes)
        self.to(memory_format=self.layout)

    def forward(self, x):
        h = self.normalized(x).contiguous(memory_format=self.layout)
        layers = zip(self.convs, self.norms, strict=True)
        for number, block in enumerate(self.config.widths):
            for _ in block:
                conv, norm = next(layers)
                h = torch.relu(norm(conv(h)))
            if number + 1 < len(self.config.widths):
                h = functional.avg_pool2d(h, 2)
            h = functional.dropout(h, self.config.block_dropout, self.training)
        h = h.mean(dim=3)
        h = functional.dropout(h.max(dim=2).values + h.mean(dim=2), self.config.head_dropout, self.training)
        return self.classifier(torch.relu(self.embedding(h)))

    def normalized(self, x):
        h = x[..., : self.config.in_channels]  # (N, T, M, C)
        n, t, m, c = h.shape
        if self.config.input_norm == "mel":
            return self.input_norm(h.permute(0, 2, 1, 3)).permute(0, 3, 2, 1)
        return self.input_norm(h.reshape(n, t, m * c, 1).transpose(1, 2)).reshape(n, m, c, t).permute(0, 2, 3, 1)


@torch.no_grad()
def network(model: CNN, way: str, layout: str) -> Network:
    """Return the twin of a new model, with the same weights."""
    twin = Network(model.config, way, layout)
    convs = [conv for block in model.blocks for conv in block.convs]
    for mine, theirs in zip([*convs, model.embedding], [*twin.convs, twin.embedding], strict=True):
        theirs.load(_components(mine.weight.data))
    twin.classifier.weight.copy_(torch.from_numpy(model.classifier.weight.data.T))
    twin.classifier.bias.zero_()  # as all biases of a new model are
    return twin


def _components(weight):
    """(P, KH, KW, C, O), (KH, KW, C, O), (P, C, O) or (C, O) -> (P, O, C, KH, KW) or (P, O, C)."""
    w = torch.from_numpy(weight)
    w = w if w.ndim in (3, 5) else w[None]
    return w.permute(0, 4, 3, 1, 2) if w.ndim == 5 else w.transpose(1, 2)
