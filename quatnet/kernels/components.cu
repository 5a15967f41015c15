// Eight products back to four components: y[k] = Σ_p M[k, p] products[p], M = BACK of `fast.mixing`.
//
// `unmix` reads each product once and writes each component once: 8 reads and 4 writes of a channel. As CuPy expressions
// it is 16 additions, each of which reads two arrays and writes one. `unmix_relu` scales, shifts and takes max(., 0) on
// the way, where an expression would read and write y three more times.
// `unmix_patches` is `unmix` of the patches' gradient and col2im in one: it reads each of the 8·KH·KW numbers once and
// writes each component once. It gathers, as `col2im` does.

extern "C" __global__ void __launch_bounds__(256, 4) unmix(const T* products, T* y, long long rows, int channels) {
    unsigned c = column();
    if (c >= (unsigned)channels) return;
    for (long long row = first_row(); row < rows; row += row_step()) {
        T planes[8], components[4];
        for (int p = 0; p < 8; ++p) planes[p] = products[(p * rows + row) * channels + c];
        formula(planes, components);
        for (int k = 0; k < 4; ++k) y[(row * 4 + k) * channels + c] = components[k];
    }
}

// relu(scale · y + shift), scale and shift of shape (4, C); nan stays nan.
extern "C" __global__ void __launch_bounds__(256, 4) unmix_relu(
    const T* products, const T* scale, const T* shift, T* y, long long rows, int channels) {
    unsigned c = column();
    if (c >= (unsigned)channels) return;
    for (long long row = first_row(); row < rows; row += row_step()) {
        T planes[8], components[4];
        for (int p = 0; p < 8; ++p) planes[p] = products[(p * rows + row) * channels + c];
        formula(planes, components);
        for (int k = 0; k < 4; ++k) {
            const long long place = (long long)k * channels + c;
            const T value = scale[place] * components[k] + shift[place];
            y[row * 4 * channels + place] = value < 0 ? T(0) : value;
        }
    }
}

// One thread for a pixel of the image and a channel. patches is (8, N, OH, OW, KH, KW, C), x (N, H, W, 4, C).
extern "C" __global__ void __launch_bounds__(256, 4) unmix_patches(
    const T* patches, T* x, int images, int height, int width, int channels, int oh, int ow, int kh, int kw,
    int down, int right, int above, int left, int dh, int dw) {
    unsigned i = column();
    if (i >= (unsigned)width * channels) return;
    const int c = i % channels, x1 = (int)(i / channels) + left;
    const long long plane = (long long)images * oh * ow * kh * kw * channels;
    for (long long row = first_row(); row < (long long)images * height; row += row_step()) {
        const long long image = (unsigned)row / height;
        const int y1 = (int)((unsigned)row % height) + above;
        T sums[8] = {}, components[4];
        for (int ky = 0; ky < kh; ++ky) {
            const int y = y1 - ky * dh, py = y / down;
            if (y < 0 || y % down || py >= oh) continue;
            for (int kx = 0; kx < kw; ++kx) {
                const int z = x1 - kx * dw, px = z / right;
                if (z < 0 || z % right || px >= ow) continue;
                const T* patch = patches + ((((image * oh + py) * ow + px) * kh + ky) * kw + kx) * channels + c;
                for (int p = 0; p < 8; ++p) sums[p] += patch[p * plane];
            }
        }
        formula(sums, components);
        for (int k = 0; k < 4; ++k) x[((row * width + i / channels) * 4 + k) * channels + c] = components[k];
    }
}
