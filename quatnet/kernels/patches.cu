// im2col and col2im of images (N, H, W, C), as defined in `quatnet.conv.im2col`.
//
// Memory of im2col: each of the KH·KW·C numbers of a patch is written once. Each pixel is read up to KH·KW times, after
// the first time from the cache. As CuPy expressions, padding reads and writes the images once more. The copy of a
// strided view also computes indices of six axes by division, for each number. The CUDA kernel needs one division for
// KH·KW numbers.
//
// Memory of col2im: each number of a patch is read once and each pixel is written once. A thread sums the entries of
// all patches at one pixel, so that no atomic operations are needed and the order of the sum is fixed. As CuPy
// expressions, col2im takes KH·KW additions, and each addition reads and writes the images.

// One thread per output pixel and channel. The thread writes KH·KW numbers.
extern "C" __global__ void __launch_bounds__(256, 4) im2col(
    const T* __restrict__ x, T* __restrict__ patches, int images, int height, int width, int channels, int oh, int ow,
    int kh, int kw,
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

// One thread per image pixel and channel. The thread sums the entries of all patches at the pixel.
extern "C" __global__ void __launch_bounds__(256, 4) col2im(
    const T* __restrict__ patches, T* __restrict__ x, int images, int height, int width, int channels, int oh, int ow,
    int kh, int kw,
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
