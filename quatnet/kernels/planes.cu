// Four components to the operands of the eight products: planes[p] = Σ_k M[p, k] x[k], M one of `fast.mixing`.
//
// `mix` reads each component once and writes two planes for each: 4 reads and 8 writes of a channel. As CuPy expressions
// a plane of four components is three additions, each of which reads two arrays and writes one.
// `mix_patches` makes patches of the planes on the way: each pixel is read up to KH·KW times, from cache but for the
// first, and each of the 8·KH·KW numbers is written once. Planes first and patches then would write and read 8 more.

extern "C" __global__ void __launch_bounds__(256, 4) mix(const T* x, T* planes, long long rows, int channels) {
    unsigned c = column();
    if (c >= (unsigned)channels) return;
    for (long long row = first_row(); row < rows; row += row_step()) {
        T components[4], mixed[8];
        for (int k = 0; k < 4; ++k) components[k] = x[(row * 4 + k) * channels + c];
        formula(components, mixed);
        for (int p = 0; p < 8; ++p) planes[(p * rows + row) * channels + c] = mixed[p];
    }
}

// One thread for a pixel of the result and a channel. x is (N, H, W, 4, C), patches (8, N, OH, OW, KH, KW, C).
extern "C" __global__ void __launch_bounds__(256, 4) mix_patches(
    const T* x, T* patches, int images, int height, int width, int channels, int oh, int ow, int kh, int kw,
    int down, int right, int above, int left, int dh, int dw) {
    unsigned i = column();
    if (i >= (unsigned)ow * channels) return;
    const int c = i % channels, x0 = (int)(i / channels) * right - left;
    const long long plane = (long long)images * oh * ow * kh * kw * channels;
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const long long image = (unsigned)row / oh;
        const int y0 = (int)((unsigned)row % oh) * down - above;
        T* patch = patches + (row * ow + i / channels) * kh * kw * channels + c;
        for (int ky = 0; ky < kh; ++ky)
            for (int kx = 0; kx < kw; ++kx, patch += channels) {
                const int y = y0 + ky * dh, x1 = x0 + kx * dw;
                const bool inside = y >= 0 && y < height && x1 >= 0 && x1 < width;
                const T* pixel = x + ((image * height + y) * width + x1) * 4 * channels + c;
                T components[4], mixed[8];
                for (int k = 0; k < 4; ++k) components[k] = inside ? pixel[(long long)k * channels] : T(0);
                formula(components, mixed);
                for (int p = 0; p < 8; ++p) patch[p * plane] = mixed[p];
            }
    }
}
