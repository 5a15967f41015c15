// im2col and col2im of channels-last images (N, H, W, C), as defined in `quatnet.conv.im2col`.
//
// Memory: im2col writes each of the KH·KW·C numbers of a patch once. It reads each pixel up to KH·KW times, from cache
// except the first time. As CuPy expressions, padding reads and writes the image once more, and the copy of a strided
// view computes six-axis indices by division for each number; here a thread divides once for KH·KW numbers. col2im
// reads each number of a patch once and writes each pixel once. It gathers: a thread owns a pixel and reads all
// patches that contain it, so there are no atomics, and the order of the sum is fixed. As CuPy expressions col2im
// takes KH·KW additions, each of which reads and writes the image.

// One thread per output pixel and channel. It divides once, and writes all KH·KW numbers.
extern "C" __global__ void __launch_bounds__(256, 4) im2col(
    const T* x, T* patches, int images, int height, int width, int channels, int oh, int ow, int kh, int kw,
    int stride_h, int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w) {
    unsigned i = column_index();
    if (i >= (unsigned)ow * channels) return;
    const int c = i % channels, x0 = (int)(i / channels) * stride_w - pad_w;
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const long long image = (unsigned)row / oh;
        const int y0 = (int)((unsigned)row % oh) * stride_h - pad_h;
        T* patch = patches + (row * ow + i / channels) * kh * kw * channels + c;
        for (int ky = 0; ky < kh; ++ky) {
            const int y = y0 + ky * dilation_h;
            const T* line = x + (image * height + y) * width * channels + c;
            for (int kx = 0; kx < kw; ++kx, patch += channels) {
                const int x1 = x0 + kx * dilation_w;
                const bool inside = y >= 0 && y < height && x1 >= 0 && x1 < width;
                *patch = inside ? line[(long long)x1 * channels] : T(0);
            }
        }
    }
}

// One thread per pixel of the image and channel. It sums the entries of all patches that contain the pixel.
extern "C" __global__ void __launch_bounds__(256, 4) col2im(
    const T* patches, T* x, int images, int height, int width, int channels, int oh, int ow, int kh, int kw,
    int stride_h, int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w) {
    unsigned i = column_index();
    if (i >= (unsigned)width * channels) return;
    const int c = i % channels, x1 = (int)(i / channels) + pad_w;
    for (long long row = first_row(); row < (long long)images * height; row += row_step()) {
        const long long image = (unsigned)row / height;
        const int y1 = (int)((unsigned)row % height) + pad_h;
        T sum = 0;
        for (int ky = 0; ky < kh; ++ky) {
            const int y = y1 - ky * dilation_h, py = y / stride_h;
            if (y < 0 || y % stride_h || py >= oh) continue;
            for (int kx = 0; kx < kw; ++kx) {
                const int z = x1 - kx * dilation_w, px = z / stride_w;
                if (z < 0 || z % stride_w || px >= ow) continue;
                sum += patches[((((image * oh + py) * ow + px) * kh + ky) * kw + kx) * channels + c];
            }
        }
        x[row * width * channels + i] = sum;
    }
}
