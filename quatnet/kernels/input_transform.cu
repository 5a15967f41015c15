// Input transform of the eight products: y[p] = Σ_k M[p, k] x[k], with a matrix M (8, 4) of
// `fast.component_transforms`. The generated function `formula` multiplies by M.
//
// Memory: for each quaternion, `input_transform` reads 4 numbers and writes 8 numbers. As CuPy expressions, each of the
// four sums takes three additions, and each addition reads two arrays and writes one array. `input_transform_im2col`
// writes the patches of the result, 8·KH·KW numbers per output pixel and channel. Each pixel is read up to KH·KW times,
// after the first time from the cache. Separate CUDA kernels for transform and im2col would write and read 8 more
// numbers per quaternion.

extern "C" __global__ void __launch_bounds__(256, 4) input_transform(
    const T* __restrict__ x, T* __restrict__ y, long long rows, int channels) {
    unsigned c = column_index();
    if (c >= (unsigned)channels) return;
    for (long long row = first_row(); row < rows; row += row_step()) {
        T components[4], transformed[8];
        for (int k = 0; k < 4; ++k) components[k] = x[(row * 4 + k) * channels + c];
        formula(components, transformed);
        for (int p = 0; p < 8; ++p) y[(p * rows + row) * channels + c] = transformed[p];
    }
}

// One thread per output pixel and channel. x is (N, H, W, 4, C) and patches is (8, N, OH, OW, KH, KW, C).
extern "C" __global__ void __launch_bounds__(256, 4) input_transform_im2col(
    const T* __restrict__ x, T* __restrict__ patches, int images, int height, int width, int channels, int oh, int ow,
    int kh, int kw,
    int stride_h, int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w) {
    unsigned i = column_index();
    if (i >= (unsigned)ow * channels) return;
    const int c = i % channels, x0 = (int)(i / channels) * stride_w - pad_w;
    const long long stride_p = (long long)images * oh * ow * kh * kw * channels;
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const long long image = (unsigned)row / oh;
        const int y0 = (int)((unsigned)row % oh) * stride_h - pad_h;
        T* patch = patches + (row * ow + i / channels) * kh * kw * channels + c;
        for (int ky = 0; ky < kh; ++ky)
            for (int kx = 0; kx < kw; ++kx, patch += channels) {
                const int y = y0 + ky * dilation_h, x1 = x0 + kx * dilation_w;
                const bool inside = y >= 0 && y < height && x1 >= 0 && x1 < width;
                const T* pixel = x + ((image * height + y) * width + x1) * 4 * channels + c;
                T components[4], transformed[8];
                for (int k = 0; k < 4; ++k) components[k] = inside ? pixel[(long long)k * channels] : T(0);
                formula(components, transformed);
                for (int p = 0; p < 8; ++p) patch[p * stride_p] = transformed[p];
            }
    }
}
