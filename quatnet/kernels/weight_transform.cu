// Transform of the weight of a convolution.
//
// The weight w is (P, N, D, D, C, O) with P components and N parts of D x D taps: one part of 3 x 3 taps for Winograd's
// algorithm, or KH·KW parts of one tap for im2col. The generated function `taps` maps D taps to S numbers. It is applied
// to columns and then to rows. The generated function `components` maps P components to COUNT numbers. COUNT is the
// number of transformed components, or 16 for the BLOCKS x BLOCKS = 4 x 4 blocks of a real matrix, output component
// before input component.
//
// Memory: each number of w is read once, and each number of the result is written once. As CuPy expressions, the matrix
// of 4 x 4 blocks takes three passes, and Winograd's transform a product that reads the result of the last pass.

// y is (COUNT / BLOCKS², N, S, S, BLOCKS, C, BLOCKS, O). If `flip` is not 0, the taps are in reverse order and the
// channels of w are exchanged, (P, N, D, D, O, C). `parts` is N, `rows` is C and `columns` is O.
extern "C" __global__ void __launch_bounds__(256, TILE_BLOCKS) weight_transform(
    const T* __restrict__ w, T* __restrict__ y, int parts, int rows, int columns, int flip) {
    const unsigned i = column_index();
    if (i >= (unsigned)rows * columns) return;
    const int row = i / columns, column = i % columns, count = parts * D * D;
    const int size = rows * columns, source = flip ? column * rows + row : i;
    for (int n = first_row(); n < parts; n += row_step()) {
        T w_taps[P][D][D];
        #pragma unroll
        for (int p = 0; p < P; ++p)
            #pragma unroll
            for (int d = 0; d < D * D; ++d) {
                const int tap = n * D * D + d, index = p * count + (flip ? count - 1 - tap : tap);
                w_taps[p][d % D][d / D] = w[index * size + source];
            }
        #pragma unroll 1  // unrolled, the code would be too large for the instruction cache
        for (int r = 0; r < S; ++r) {
            T tile_rows[P][S];
            #pragma unroll
            for (int p = 0; p < P; ++p) {
                T row_of_columns[D];
                #pragma unroll
                for (int x = 0; x < D; ++x) {
                    T transformed[S];
                    taps(w_taps[p][x], transformed);
                    #pragma unroll
                    for (int s = 0; s < S; ++s)
                        if (s == r) row_of_columns[x] = transformed[s];
                }
                taps(row_of_columns, tile_rows[p]);
            }
            #pragma unroll
            for (int s = 0; s < S; ++s) {
                T numbers[P], results[COUNT];
                #pragma unroll
                for (int p = 0; p < P; ++p) numbers[p] = tile_rows[p][s];
                components(numbers, results);
                #pragma unroll
                for (int k = 0; k < COUNT; ++k) {
                    const int matrix = (k / (BLOCKS * BLOCKS) * parts + n) * S * S + r * S + s;
                    y[((matrix * BLOCKS + k % BLOCKS) * rows + row) * BLOCKS * columns + k / BLOCKS % BLOCKS * columns +
                      column] = results[k];
                }
            }
        }
    }
}
