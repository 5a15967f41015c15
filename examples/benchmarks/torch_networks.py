"""The networks of `quatnet.models` in PyTorch, in the variants that other libraries use.

peers         the parameters are r, i, j, k; their real block matrix is concatenated in every call
expanded      the parameter is the block matrix, with four times as many weights; it is concatenated once
speechbrain   the variant `peers` with the layer of SpeechBrain, if SpeechBrain is installed
real          the real network with the same widths

Only this module and `torch_runs` import torch.
"""

import torch
from torch import nn
from torch.nn import functional

from quatnet.models import CNN, CNNConfig

LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


def block_matrix(r, i, j, k):
    """Return the real convolution weight (4O, 4C, ...) of a quaternion weight that multiplies from the left."""
    rows = ([r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r])
    return torch.cat([torch.cat(row, dim=1) for row in rows], dim=0)


class PeersLayer(nn.Module):
    """A quaternion convolution, or a quaternion linear layer if `kernel_size` is empty."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        shape = (out_channels // 4, in_channels // 4, *kernel_size)
        self.r, self.i, self.j, self.k = (nn.Parameter(torch.zeros(shape)) for _ in range(4))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x):
        weight = block_matrix(self.r, self.i, self.j, self.k)
        if weight.ndim == 2:
            return functional.linear(x, weight, self.bias)
        return functional.conv2d(x, weight, self.bias, padding=1)

    def load_components(self, components) -> None:
        for parameter, component in zip((self.r, self.i, self.j, self.k), components, strict=True):
            parameter.copy_(component)


class RealLayer(nn.Module):
    """A real convolution, or a real linear layer if `kernel_size` is empty.

    The components of a quaternion weight are loaded as their real block matrix.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels, *kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x):
        if self.weight.ndim == 2:
            return functional.linear(x, self.weight, self.bias)
        return functional.conv2d(x, self.weight, self.bias, padding=1)

    def load_components(self, components) -> None:
        self.weight.copy_(block_matrix(*components) if len(components) == 4 else components[0])


class SpeechBrainLayer(nn.Module):
    """The convolution of SpeechBrain. The layout is (N, W, H, C), which SpeechBrain converts to channels first."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        from speechbrain.nnet.quaternion_networks.q_CNN import QConv2d

        shape = (None, None, None, in_channels)
        self.conv = QConv2d(out_channels // 4, kernel_size, input_shape=shape, bias=bias, padding_mode="constant")

    def forward(self, x):
        return self.conv(x.transpose(1, 3)).transpose(1, 3)

    def load_components(self, components) -> None:
        for name, component in zip("rijk", components, strict=True):
            getattr(self.conv, f"{name}_weight").copy_(component)


LAYERS = {"peers": PeersLayer, "expanded": RealLayer, "real": RealLayer, "speechbrain": SpeechBrainLayer}


class Network(nn.Module):
    """The network of a `CNNConfig`. The input has the shape (N, frames, mels, 4), and the outputs are the logits."""

    def __init__(self, config: CNNConfig, variant: str, layout: str) -> None:
        super().__init__()
        self.config, self.layout = config, LAYOUTS[layout]
        per_mel, widths = config.input_norm == "mel", [width for block in config.widths for width in block]
        self.input_norm = nn.BatchNorm2d(config.mels * (1 if per_mel else config.in_channels), affine=per_mel)
        layers = zip([config.in_channels, *widths], widths, strict=False)
        self.convs = nn.ModuleList(LAYERS[variant](c, o, (3, 3), False) for c, o in layers)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        linear = LAYERS["peers" if variant == "speechbrain" else variant]
        self.embedding = linear(widths[-1], config.embedding, (), True)
        self.classifier = nn.Linear(config.embedding, config.classes)
        self.to(memory_format=self.layout)

    def forward(self, x):
        h = self.normalize_input(x).contiguous(memory_format=self.layout)
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

    def normalize_input(self, x):
        h = x[..., : self.config.in_channels]  # (N, frames, mels, channels)
        n, t, m, c = h.shape
        if self.config.input_norm == "mel":
            return self.input_norm(h.permute(0, 2, 1, 3)).permute(0, 3, 2, 1)
        return self.input_norm(h.reshape(n, t, m * c, 1).transpose(1, 2)).reshape(n, m, c, t).permute(0, 2, 3, 1)


@torch.no_grad()
def from_quatnet(model: CNN, variant: str, layout: str) -> Network:
    """Return the PyTorch network with the weights of a newly initialized quatnet model."""
    network = Network(model.config, variant, layout)
    convs = [conv for block in model.blocks for conv in block.convs]
    for source, target in zip([*convs, model.embedding], [*network.convs, network.embedding], strict=True):
        target.load_components(_to_torch(source.weight.data))
    network.classifier.weight.copy_(torch.from_numpy(model.classifier.weight.data.T))
    network.classifier.bias.zero_()  # all biases of a newly initialized model are zero
    return network


def _to_torch(weight):
    """(P, KH, KW, C, O), (KH, KW, C, O), (P, C, O) or (C, O) -> (P, O, C, KH, KW) or (P, O, C)."""
    w = torch.from_numpy(weight)
    w = w if w.ndim in (3, 5) else w[None]
    return w.permute(0, 4, 3, 1, 2) if w.ndim == 5 else w.transpose(1, 2)
