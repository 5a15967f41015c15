"""Exercise 12: a plain solution, typical mistakes and hints."""


def num_weights(taps, inputs, outputs, quaternion):
    return taps * inputs * outputs // (4 if quaternion else 1)


def real_multiplications(pixels, taps, inputs, outputs):
    return pixels * taps * inputs * outputs


def quaternion_multiplications(pixels, taps, inputs, outputs, products):
    return pixels * taps * (inputs // 4) * (outputs // 4) * products


def real_additions(pixels, taps, inputs, outputs):
    return pixels * outputs * (taps * inputs - 1)


def additions_with_eight_products(pixels, taps, inputs, outputs):
    c, o = inputs // 4, outputs // 4
    return pixels * (8 * c + 8 * o * (taps * c - 1) + 12 * o)


MISTAKES = [
    ("the quaternion layer has all real weights; it has a quarter of them", "taps * inputs * outputs // (4 if quaternion else 1)", "taps * inputs * outputs"),
    ("the quaternion weights are counted; each of them has four real weights", "// (4 if quaternion else 1)", "// (16 if quaternion else 1)"),
    ("the taps are missing in the number of weights", "taps * inputs * outputs //", "inputs * outputs //"),
    ("the real layer is divided by 4 too", "(4 if quaternion else 1)", "4"),
    ("the pixels are missing: the kernel is applied at every pixel", "return pixels * taps * inputs * outputs", "return taps * inputs * outputs"),
    ("the taps are missing in the number of multiplications", "return pixels * taps * inputs * outputs", "return pixels * inputs * outputs"),
    ("the output channels are missing", "return pixels * taps * inputs * outputs", "return pixels * taps * inputs"),
    ("multiplications and additions are counted together; expected multiplications only", "return pixels * taps * inputs * outputs", "return pixels * outputs * (2 * taps * inputs - 1)"),
    ("real channels are counted as quaternions: divide inputs and outputs by 4", "(inputs // 4) * (outputs // 4) * products", "inputs * outputs * products"),
    ("only the input channels are divided by 4", "(inputs // 4) * (outputs // 4) * products", "(inputs // 4) * outputs * products"),
    ("a Hamilton product is counted as 4 multiplications, as the multiplications of the weights do", "(outputs // 4) * products", "(outputs // 4) * 4"),
    ("a Hamilton product is counted as 1 multiplication", "(outputs // 4) * products", "(outputs // 4)"),
    ("`products` is ignored: with 8 products, there is half of the multiplications", "(outputs // 4) * products", "(outputs // 4) * 16"),
    ("a sum of n numbers has n - 1 additions, not n", "(taps * inputs - 1)", "taps * inputs"),
    ("one addition is subtracted for each pixel; expected one for each output", "pixels * outputs * (taps * inputs - 1)", "pixels * (outputs * taps * inputs - 1)"),
    ("the input quaternions are transformed for each tap; once for each pixel is sufficient", "8 * c + 8 * o", "8 * c * taps + 8 * o"),
    ("the input quaternions are transformed for each output; once for each pixel is sufficient", "8 * c + 8 * o", "8 * c * o + 8 * o"),
    ("the additions of the input transform are missing", "(8 * c + 8 * o", "(8 * o"),
    ("the 12 additions for each output quaternion are missing", " + 12 * o)", ")"),
    ("the sums of the 8 products have taps · c terms, so taps · c - 1 additions", "8 * o * (taps * c - 1)", "8 * o * taps * c"),
    ("real channels are counted as quaternions in the additions", "c, o = inputs // 4, outputs // 4", "c, o = inputs, outputs"),
]  # fmt: skip

HINTS = {
    "num_weights": ["taps · inputs · outputs for the real layer, a quarter for the quaternion layer"],
    "real_multiplications": ["one multiplication for each pixel, tap, input channel and output channel"],
    "quaternion_multiplications": ["there are pixels · taps · (inputs / 4) · (outputs / 4) Hamilton products"],
    "real_additions": ["each of the pixels · outputs results is a sum of taps · inputs products"],
    "additions_with_eight_products": [
        "with c = inputs // 4 and o = outputs // 4: 8 c for the transforms of the inputs",
        "8 o (taps c - 1) for the sums and 12 o for the outputs; multiply the total by `pixels`",
    ],
}
