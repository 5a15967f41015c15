// Output transform of Winograd's F(4x4, 3x3): A m Aᵀ for each 6 x 6 tile m of products, 4 x 4 pixels of an image.
//
// The generated function `formula` multiplies a vector by a matrix. It is applied to the columns of a tile and then to
// the rows.
//
// Memory: 36 numbers per tile are read, 2.25 per pixel, and each pixel is written once. As CuPy expressions,
// each of the 8 rows of the matrices takes several passes. One thread transforms one tile of one channel in registers.

// m is (K, 36, N·TH·TW, C) and y is (K·N, H, W, C). Pixels of a tile outside of the image are dropped.
extern "C" __global__ void __launch_bounds__(256, TILE_BLOCKS) winograd_output(
    const T* __restrict__ m, T* __restrict__ y, int images, int batch, int height, int width, int channels,
    int tiles_h, int tiles_w) {
    const unsigned i = column_index();
    if (i >= (unsigned)tiles_w * channels) return;
    const int c = i % channels, x0 = (int)(i / channels) * 4;
    const long long step = (long long)batch * tiles_h * tiles_w * channels;
    for (long long row = first_row(); row < (long long)images * tiles_h; row += row_step()) {
        const int image = (unsigned)row / tiles_h, y0 = (int)((unsigned)row % tiles_h) * 4, k = image / batch;
        const T* source = m + k * 36 * step + (row - (long long)k * batch * tiles_h) * tiles_w * channels + i;
        T columns[4][6];
        #pragma unroll
        for (int q = 0; q < 6; ++q) {
            T products[6], sums[4];
            #pragma unroll
            for (int p = 0; p < 6; ++p) products[p] = source[(p * 6 + q) * step];
            formula(products, sums);
            #pragma unroll
            for (int r = 0; r < 4; ++r) columns[r][q] = sums[r];
        }
        #pragma unroll
        for (int r = 0; r < 4; ++r) {
            T sums[4];
            formula(columns[r], sums);
            #pragma unroll
            for (int s = 0; s < 4; ++s)
                if (y0 + r < height && x0 + s < width)
                    y[(((long long)image * height + y0 + r) * width + x0 + s) * channels + c] = sums[s];
        }
    }
}
