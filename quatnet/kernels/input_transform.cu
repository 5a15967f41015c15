// Input transform of the eight products: y[p] = Σ_k M[p, k] x[k], M (8, 4) a matrix of `fast.component_transforms`.
//
// `input_transform` reads each component once and writes two numbers for each: 4 reads and 8 writes per channel. As
// CuPy expressions, each of the four sums takes three additions that read two arrays and write one.
// `input_transform_im2col` also writes patches of the result: it reads each pixel up to KH·KW times, from cache except
// the first time, and writes each of the 8·KH·KW numbers once. Two separate kernels would write and read 8 numbers
// more.

extern "C" __global__ void __launch_bounds__(256, 4) input_transform(
    const T* x, T* y, long long rows, int channels) {
    unsigned c = column_index();
    if (c >= (unsigned)channels) return;
    for (long long row = first_row(); row < rows; row += row_step()) {
        T components[4], transformed[8];
        for (int k = 0; k < 4; ++k) components[k] = x[(row * 4 + k) * channels + c];
        formula(components, transformed);
        for (int p = 0; p < 8; ++p) y[(p * rows + row) * channels + c] = transformed[p];
    }
}

// One thread per output pixel and channel. x is (N, H, W, 4, C), patches (8, N, OH, OW, KH, KW, C).
extern "C" __global__ void __launch_bounds__(256, 4) input_transform_im2col(
    const T* x, T* patches, int images, int height, int width, int channels, int oh, int ow, int kh, int kw,
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
