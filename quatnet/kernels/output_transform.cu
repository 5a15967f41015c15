// Output transform of the eight products: y[k] = Σ_p M[k, p] products[p], with the matrix M = OUTPUT_MATRIX (4, 8) of
// `fast.component_transforms`. The generated function `formula` multiplies by M.
//
// Memory: for each quaternion, `output_transform` reads 8 numbers and writes 4 numbers. As CuPy expressions, the output
// transform takes 16 additions, and each addition reads two arrays and writes one array. `output_transform_relu` also
// computes scale, shift and relu, which would read and write y three more times as CuPy expressions.
// `output_transform_col2im` sums the entries of all patches at a pixel, as `col2im`, and transforms the sums. Each
// entry of the patches is read once and each component is written once.

extern "C" __global__ void __launch_bounds__(256, 4) output_transform(
    const T* __restrict__ products, T* __restrict__ y, long long rows, int channels) {
    unsigned c = column_index();
    if (c >= (unsigned)channels) return;
    for (long long row = first_row(); row < rows; row += row_step()) {
        T values[8], components[4];
        for (int p = 0; p < 8; ++p) values[p] = products[(p * rows + row) * channels + c];
        formula(values, components);
        for (int k = 0; k < 4; ++k) y[(row * 4 + k) * channels + c] = components[k];
    }
}

// Computes relu(scale · y + shift), with scale and shift (4, C). A nan propagates.
extern "C" __global__ void __launch_bounds__(256, 4) output_transform_relu(
    const T* __restrict__ products, const T* __restrict__ scale, const T* __restrict__ shift, T* __restrict__ y,
    long long rows, int channels) {
    unsigned c = column_index();
    if (c >= (unsigned)channels) return;
    for (long long row = first_row(); row < rows; row += row_step()) {
        T values[8], components[4];
        for (int p = 0; p < 8; ++p) values[p] = products[(p * rows + row) * channels + c];
        formula(values, components);
        for (int k = 0; k < 4; ++k) {
            const long long index = (long long)k * channels + c;
            const T value = scale[index] * components[k] + shift[index];
            y[row * 4 * channels + index] = value < 0 ? T(0) : value;
        }
    }
}

// One thread per image pixel and channel. patches is (8, N, OH, OW, KH, KW, C) and x is (N, H, W, 4, C).
extern "C" __global__ void __launch_bounds__(256, 4) output_transform_col2im(
    const T* __restrict__ patches, T* __restrict__ x, int images, int height, int width, int channels, int oh, int ow,
    int kh, int kw,
    int stride_h, int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w) {
    unsigned i = column_index();
    if (i >= (unsigned)width * channels) return;
    const int c = i % channels, x1 = (int)(i / channels) + pad_w;
    const long long stride_p = (long long)images * oh * ow * kh * kw * channels;
    for (long long row = first_row(); row < (long long)images * height; row += row_step()) {
        const long long image = (unsigned)row / height;
        const int y1 = (int)((unsigned)row % height) + pad_h;
        T sums[8] = {}, components[4];
        for (int ky = 0; ky < kh; ++ky) {
            const int y = y1 - ky * dilation_h, py = y / stride_h;
            if (y < 0 || y % stride_h || py >= oh) continue;
            for (int kx = 0; kx < kw; ++kx) {
                const int z = x1 - kx * dilation_w, px = z / stride_w;
                if (z < 0 || z % stride_w || px >= ow) continue;
                const T* patch = patches + ((((image * oh + py) * ow + px) * kh + ky) * kw + kx) * channels + c;
                for (int p = 0; p < 8; ++p) sums[p] += patch[p * stride_p];
            }
        }
        formula(sums, components);
        for (int k = 0; k < 4; ++k) x[((row * width + i / channels) * 4 + k) * channels + c] = components[k];
    }
}
