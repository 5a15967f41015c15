// Input transform of Winograd's F(4x4, 3x3): B d Bᵀ for each tile d of an image with channels last.
//
// The generated function `formula` multiplies a vector by a matrix. It is applied to the columns of a tile and then to
// the rows. A tile has SIDE x SIDE pixels, 6 x 6 of an image or 4 x 4 of an upstream gradient, and 6 x 6 results.
//
// Memory: each pixel is read once from memory, and again from the cache, since tiles overlap by two pixels. 36 numbers
// per tile are written, 2.25 per pixel. im2col writes 9 numbers per pixel. As CuPy expressions, each of the 12 rows of
// the matrices takes several passes. One thread transforms one tile of one channel in registers.

// x is (K·N, H, W, C) and y is (K, 36, N·TH·TW, C). Pixels outside of the image are 0.
extern "C" __global__ void __launch_bounds__(256, TILE_BLOCKS) winograd_input(
    const T* __restrict__ x, T* __restrict__ y, int images, int batch, int height, int width, int channels,
    int tiles_h, int tiles_w, int pad_h, int pad_w) {
    const unsigned i = column_index();
    if (i >= (unsigned)tiles_w * channels) return;
    const int c = i % channels, x0 = (int)(i / channels) * 4 - pad_w;
    const long long step = (long long)batch * tiles_h * tiles_w * channels;
    for (long long row = first_row(); row < (long long)images * tiles_h; row += row_step()) {
        const int image = (unsigned)row / tiles_h, y0 = (int)((unsigned)row % tiles_h) * 4 - pad_h;
        T columns[6][SIDE];
        #pragma unroll
        for (int kx = 0; kx < SIDE; ++kx) {
            T pixels[SIDE], transformed[6];
            #pragma unroll
            for (int ky = 0; ky < SIDE; ++ky) {
                const int py = y0 + ky, px = x0 + kx;
                const bool inside = py >= 0 && py < height && px >= 0 && px < width;
                pixels[ky] = inside ? x[(((long long)image * height + py) * width + px) * channels + c] : T(0);
            }
            formula(pixels, transformed);
            #pragma unroll
            for (int p = 0; p < 6; ++p) columns[p][kx] = transformed[p];
        }
        const int k = image / batch;
        T* target = y + k * 36 * step + (row - (long long)k * batch * tiles_h) * tiles_w * channels + i;
        #pragma unroll
        for (int p = 0; p < 6; ++p) {
            T transformed[6];
            formula(columns[p], transformed);
            #pragma unroll
            for (int q = 0; q < 6; ++q) target[(p * 6 + q) * step] = transformed[q];
        }
    }
}
