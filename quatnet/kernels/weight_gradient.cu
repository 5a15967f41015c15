// Weight gradient of a convolution, from the gradient of the weight of `weight_transform`.
//
// The generated function `taps` maps S numbers to D taps. It is applied to columns and then to rows. The generated
// function `components` maps COUNT numbers to P components.
//
// Memory: each number of the gradient is read once, and each number of the result is written once. As CuPy expressions,
// the sums of the 16 blocks take 18 passes, and Winograd's transform a product.

// y is (COUNT / BLOCKS², N, S, S, BLOCKS, C, BLOCKS, O) and w is (P, N, D, D, C, O), as in `weight_transform`.
extern "C" __global__ void __launch_bounds__(256, 1) weight_gradient(
    const T* __restrict__ y, T* __restrict__ w, int parts, int rows, int columns) {
    const unsigned i = column_index();
    if (i >= (unsigned)rows * columns) return;
    const int row = i / columns, column = i % columns;
    const int size = rows * columns;
    for (int n = first_row(); n < parts; n += row_step()) {
        T sums[P][D][D] = {};
        #pragma unroll 1  // unrolled, the code would be too large for the instruction cache
        for (int s = 0; s < S; ++s) {
            T tile_columns[P][S];
            #pragma unroll
            for (int r = 0; r < S; ++r) {
                T numbers[COUNT], results[P];
                #pragma unroll
                for (int k = 0; k < COUNT; ++k) {
                    const int matrix = (k / (BLOCKS * BLOCKS) * parts + n) * S * S + r * S + s;
                    numbers[k] = y[((matrix * BLOCKS + k % BLOCKS) * rows + row) * BLOCKS * columns +
                                   k / BLOCKS % BLOCKS * columns + column];
                }
                components(numbers, results);
                #pragma unroll
                for (int p = 0; p < P; ++p) tile_columns[p][r] = results[p];
            }
            #pragma unroll
            for (int p = 0; p < P; ++p) {
                T column_of_taps[D];
                taps(tile_columns[p], column_of_taps);
                #pragma unroll
                for (int d = 0; d < D; ++d) {
                    T tile_row[S], row_of_taps[D];  // a tile row with one entry that is not 0
                    #pragma unroll
                    for (int r = 0; r < S; ++r) tile_row[r] = r == s ? column_of_taps[d] : T(0);
                    taps(tile_row, row_of_taps);
                    #pragma unroll
                    for (int x = 0; x < D; ++x) sums[p][d][x] += row_of_taps[x];
                }
            }
        }
        #pragma unroll
        for (int p = 0; p < P; ++p)
            #pragma unroll
            for (int d = 0; d < D * D; ++d) w[((p * parts + n) * D * D + d) * size + i] = sums[p][d / D][d % D];
    }
}
