"""PyTorch implementation of the networks, with channels first and quaternion weights as block matrices."""

from quatnet.backend import asnumpy


def block_matrix(torch, w):
    """Return `w` (4, KH, KW, C, O) as a real kernel (4O, 4C, KH, KW), with the signs of the paper."""
    r, i, j, k = (part.permute(3, 2, 0, 1) for part in w)
    rows = [[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]]
    return torch.cat([torch.cat(row, dim=1) for row in rows], dim=0)


def forward(torch, config, p, x):
    functional = torch.nn.functional

    def norm(h, prefix):
        return functional.batch_norm(h, None, None, p[f"{prefix}.weight"], p[f"{prefix}.bias"], training=True)

    h = torch.from_numpy(x)[..., : config.in_channels].permute(0, 3, 1, 2)  # the shape is (N, C, T, M)
    if config.input_norm == "mel":
        h = norm(h.permute(0, 3, 1, 2), "input_norm").permute(0, 2, 3, 1)
    else:
        n, c, t, m = h.shape
        h = norm(h.permute(0, 3, 1, 2).reshape(n, m * c, t, 1), "input_norm").reshape(n, m, c, t).permute(0, 2, 3, 1)

    def conv(h, name):
        w = p[f"{name}.weight"]
        kernel = block_matrix(torch, w) if config.quaternion else w.permute(3, 2, 0, 1)
        return functional.conv2d(h, kernel, padding=kernel.shape[-1] // 2)

    def conv_block(h, b):
        for c in range(len(config.widths[b])):
            h = torch.relu(norm(conv(h, f"blocks.{b}.convs.{c}"), f"blocks.{b}.norms.{c}"))
        return h

    def residual_block(h, b, strided):
        identity = h
        h = functional.avg_pool2d(h, 2) if strided else h
        h = torch.relu(norm(conv(h, f"blocks.{b}.convs.0"), f"blocks.{b}.norms.0"))
        h = norm(conv(h, f"blocks.{b}.convs.1"), f"blocks.{b}.norms.1")
        if strided:
            identity = functional.avg_pool2d(identity, 2)
            identity = norm(conv(identity, f"blocks.{b}.shortcut"), f"blocks.{b}.shortcut_norm")
        return torch.relu(h + identity)

    if hasattr(config, "stages"):
        h = functional.avg_pool2d(conv_block(h, 0), 2)
        b = 1
        for stage, blocks in enumerate(config.stages):
            for n in range(blocks):
                h = residual_block(h, b, strided=stage > 0 and n == 0)
                b += 1
        h = conv_block(functional.avg_pool2d(h, 2), b)
    else:
        for b in range(len(config.widths)):
            h = conv_block(h, b)
            if config.last_pool or b + 1 < len(config.widths):
                h = functional.avg_pool2d(h, 2)
    h = h.mean(dim=3)
    h = h.max(dim=2).values + h.mean(dim=2)
    w = p["embedding.weight"]
    matrix = block_matrix(torch, w[:, None, None])[:, :, 0, 0] if config.quaternion else w.T
    h = torch.relu(functional.linear(h, matrix, p["embedding.bias"]))
    return functional.linear(h, p["classifier.weight"].T, p["classifier.bias"])


def torch_gradients(torch, model, x, cotangent):
    """Return the logits and the gradients of all parameters, as NumPy arrays."""
    p = {name: torch.tensor(asnumpy(t.data).copy(), requires_grad=True) for name, t in model.named_parameters()}
    logits = forward(torch, model.config, p, x)
    logits.backward(torch.from_numpy(cotangent))
    return logits.detach().numpy(), {name: tensor.grad.numpy() for name, tensor in p.items()}
