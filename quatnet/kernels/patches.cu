// im2col and col2im on channels-last images (N, H, W, C), as `quatnet.patches` defines them.
//
// Bytes: im2col writes each of the KH·KW·C numbers of a patch once. It reads each pixel up to KH·KW times, from cache
// but for the first. As CuPy expressions, padding reads and writes the image once more, and the copy of a strided view
// then finds each number by dividing its way through six axes; here a thread divides once for KH·KW numbers.
// col2im reads each number of a patch once and writes each pixel once. It gathers: a thread owns a pixel and asks all
// patches that hold it, so there are no atomics, and the sum has one order. As CuPy expressions it is KH·KW additions,
// each of which reads and writes the image.

// One thread for a pixel of the result and a channel: it divides once, and writes all KH·KW numbers.
extern "C" __global__ void __launch_bounds__(256, 4) im2col(
    const T* x, T* patches, int images, int height, int width, int channels, int oh, int ow, int kh, int kw,
    int down, int right, int above, int left, int dh, int dw) {
    unsigned i = column();
    if (i >= (unsigned)ow * channels) return;
    const int c = i % channels, x0 = (int)(i / channels) * right - left;
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const long long image = (unsigned)row / oh;
        const int y0 = (int)((unsigned)row % oh) * down - above;
        T* patch = patches + (row * ow + i / channels) * kh * kw * channels + c;
        for (int ky = 0; ky < kh; ++ky) {
            const int y = y0 + ky * dh;
            const T* line = x + (image * height + y) * width * channels + c;
            for (int kx = 0; kx < kw; ++kx, patch += channels) {
                const int x1 = x0 + kx * dw;
                const bool inside = y >= 0 && y < height && x1 >= 0 && x1 < width;
                *patch = inside ? line[(long long)x1 * channels] : T(0);
            }
        }
    }
}

// One thread for a pixel of the image and a channel: it adds up what the patches that hold it have to say.
extern "C" __global__ void __launch_bounds__(256, 4) col2im(
    const T* patches, T* x, int images, int height, int width, int channels, int oh, int ow, int kh, int kw,
    int down, int right, int above, int left, int dh, int dw) {
    unsigned i = column();
    if (i >= (unsigned)width * channels) return;
    const int c = i % channels, x1 = (int)(i / channels) + left;
    for (long long row = first_row(); row < (long long)images * height; row += row_step()) {
        const long long image = (unsigned)row / height;
        const int y1 = (int)((unsigned)row % height) + above;
        T sum = 0;
        for (int ky = 0; ky < kh; ++ky) {
            const int y = y1 - ky * dh, py = y / down;
            if (y < 0 || y % down || py >= oh) continue;
            for (int kx = 0; kx < kw; ++kx) {
                const int z = x1 - kx * dw, px = z / right;
                if (z < 0 || z % right || px >= ow) continue;
                sum += patches[((((image * oh + py) * ow + px) * kh + ky) * kw + kx) * channels + c];
            }
        }
        x[row * width * channels + i] = sum;
    }
}
