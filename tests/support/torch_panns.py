"""PyTorch implementation of the published networks, with the parameter names of the published state dicts."""


def make_panns(torch, config):
    """Return a PyTorch module for a `CNNConfig` or `ResNetConfig`, with random weights and published names."""
    nn, functional = torch.nn, torch.nn.functional
    quaternion = config.quaternion

    class Quaternion(nn.Module):
        def __init__(self, shape, out_features, bias):
            super().__init__()
            for component in "rijk":
                setattr(self, f"{component}_weight", nn.Parameter(torch.randn(shape) / 8))
            self.bias = nn.Parameter(torch.randn(out_features)) if bias else None

        def block(self, axis_out, axis_in):
            r, i, j, k = self.r_weight, self.i_weight, self.j_weight, self.k_weight
            rows = [[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]]
            return torch.cat([torch.cat(row, dim=axis_in) for row in rows], dim=axis_out)

        def forward(self, x):
            if x.ndim == 4:
                return functional.conv2d(x, self.block(0, 1), padding=self.r_weight.shape[-1] // 2)
            return x @ self.block(1, 0) + self.bias

    def conv(in_channels, out_channels, kernel_size):
        if quaternion:
            shape = (out_channels // 4, in_channels // 4, kernel_size, kernel_size)
            return Quaternion(shape, out_channels, False)
        return nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, in_channels, widths, kernel_size):
            super().__init__()
            for n, (inputs, outputs) in enumerate(zip((in_channels, *widths), widths, strict=False), 1):
                setattr(self, f"conv{n}", conv(inputs, outputs, kernel_size))
                setattr(self, f"bn{n}", nn.BatchNorm2d(outputs))

        def forward(self, x):
            x = torch.relu(self.bn1(self.conv1(x)))
            return torch.relu(self.bn2(self.conv2(x))) if hasattr(self, "conv2") else x

    class Residual(Block):
        def __init__(self, in_channels, widths, kernel_size, has_shortcut):
            super().__init__(in_channels, widths, kernel_size)
            parts = [nn.AvgPool2d(2), conv(in_channels, widths[-1], 1), nn.BatchNorm2d(widths[-1])]
            self.downsample = nn.Sequential(*parts) if has_shortcut else None

        def forward(self, x):
            h = functional.avg_pool2d(x, 2) if self.downsample else x
            h = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(h)))))
            return torch.relu(h + (self.downsample(x) if self.downsample else x))

    class Layers(nn.Module):
        def __init__(self):
            super().__init__()
            b = 1
            for stage, blocks in enumerate(config.stages, 1):
                residual_blocks = []
                for n in range(blocks):
                    has_shortcut = stage > 1 and n == 0
                    in_channels = config.widths[b - 1][-1]
                    residual_blocks.append(Residual(in_channels, config.widths[b], config.kernel_size, has_shortcut))
                    b += 1
                setattr(self, f"layer{stage}", nn.Sequential(*residual_blocks))

        def forward(self, x):
            for stage in range(1, len(config.stages) + 1):
                x = getattr(self, f"layer{stage}")(x)
            return x

    class Panns(nn.Module):
        def __init__(self):
            super().__init__()
            residual = hasattr(config, "stages")
            self.bn0 = nn.BatchNorm2d(config.mels)
            plain = config.widths[:1] if residual else config.widths
            for b, (channels, widths) in enumerate(zip((None, *plain), plain, strict=False), 1):
                in_channels = channels[-1] if channels else config.in_channels
                setattr(self, f"conv_block{b}", Block(in_channels, widths, config.kernel_size))
            if residual:
                self.resnet = Layers()
                self.conv_block_after1 = Block(config.widths[-2][-1], config.widths[-1], config.kernel_size)
            last = config.widths[-1][-1]
            self.fc1 = (
                Quaternion((last // 4, config.embedding // 4), config.embedding, True)
                if quaternion
                else nn.Linear(last, config.embedding)
            )
            self.fc_audioset = nn.Linear(config.embedding, config.classes)

        def forward(self, x):
            # the shape is (N, C, T, M)
            x = self.bn0(x[..., : config.in_channels].permute(0, 2, 1, 3)).permute(0, 3, 2, 1)
            if hasattr(config, "stages"):
                x = functional.avg_pool2d(self.conv_block1(x), 2)
                x = self.conv_block_after1(functional.avg_pool2d(self.resnet(x), 2))
            else:
                for b in range(len(config.widths)):
                    x = getattr(self, f"conv_block{b + 1}")(x)
                    x = functional.avg_pool2d(x, 2) if config.has_pool(b) else x
            x = x.mean(dim=3)
            x = x.max(dim=2).values + x.mean(dim=2)
            return self.fc_audioset(torch.relu(self.fc1(x)))

    module = Panns()
    randomize_batch_norms(torch, module)
    return module.eval()


def randomize_batch_norms(torch, module):
    """Set the parameters and running statistics of all batch norms to random values."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for tensor in (layer.weight.data, layer.running_var):
                tensor.uniform_(0.5, 1.5)
            for tensor in (layer.bias.data, layer.running_mean):
                tensor.normal_(0, 0.3)
