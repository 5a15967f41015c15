// Average and largest entry of windows size x size of images (N, H, W, C) that do not overlap, and their gradients.
//
// Bytes: forwards each entry of x is read once and each window written once. `average_gradient` reads g, from cache for
// all but one pixel of a window, and writes gx once. `maximum_gradient` finds the winner again: it reads x and g once and
// writes gx once, the winner twice; to keep the winner would cost a write and a read, and memory until then. As CuPy
// expressions the average is size² additions that read and write y, and the largest entry a stacked copy of x with two
// reductions.

// Where the first entry of a window lies: of row `row` of all windows, pixel and channel `i` of that row.
__device__ __forceinline__ long long window(
    long long row, unsigned i, int height, int width, int channels, int oh, int size) {
    const long long image = (unsigned)row / oh, y = (unsigned)row % oh * size, x = i / channels * size;
    return ((image * height + y) * width + x) * channels + i % channels;
}

extern "C" __global__ void __launch_bounds__(256, 4) average(
    const T* x, T* y, int images, int height, int width, int channels, int oh, int ow, int size) {
    const unsigned i = column();
    if (i >= (unsigned)ow * channels) return;
    const T share = T(1.0 / ((double)size * size));
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const T* corner = x + window(row, i, height, width, channels, oh, size);
        T sum = 0;
        for (int ky = 0; ky < size; ++ky)
            for (int kx = 0; kx < size; ++kx) sum += corner[((long long)ky * width + kx) * channels];
        y[row * ow * channels + i] = sum * share;
    }
}

// One thread for an entry of x; rows and columns left over at the end get 0.
extern "C" __global__ void __launch_bounds__(256, 4) average_gradient(
    const T* g, T* gx, int images, int height, int width, int channels, int oh, int ow, int size) {
    const unsigned i = column();
    if (i >= (unsigned)width * channels) return;
    const T share = T(1.0 / ((double)size * size));
    const int px = i / channels / size, c = i % channels;
    for (long long row = first_row(); row < (long long)images * height; row += row_step()) {
        const int py = (int)((unsigned)row % height) / size;
        const bool pooled = py < oh && px < ow;
        const long long image = (unsigned)row / height;
        gx[row * width * channels + i] = pooled ? g[((image * oh + py) * ow + px) * channels + c] * share : T(0);
    }
}

// Whether `value` takes the place of `best`: larger, or the first nan.
__device__ __forceinline__ bool wins(T value, T best) { return value > best || (value != value && best == best); }

extern "C" __global__ void __launch_bounds__(256, 4) maximum(
    const T* x, T* y, int images, int height, int width, int channels, int oh, int ow, int size) {
    const unsigned i = column();
    if (i >= (unsigned)ow * channels) return;
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const T* corner = x + window(row, i, height, width, channels, oh, size);
        T best = corner[0];
        for (int ky = 0; ky < size; ++ky)
            for (int kx = 0; kx < size; ++kx) {
                const T value = corner[((long long)ky * width + kx) * channels];
                if (wins(value, best)) best = value;
            }
        y[row * ow * channels + i] = best;
    }
}

// One thread for a window: its first winner gets g, the others 0. What is left over has to be 0 before.
extern "C" __global__ void __launch_bounds__(256, 4) maximum_gradient(
    const T* g, const T* x, T* gx, int images, int height, int width, int channels, int oh, int ow, int size) {
    const unsigned i = column();
    if (i >= (unsigned)ow * channels) return;
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const long long corner = window(row, i, height, width, channels, oh, size);
        T best = x[corner];
        long long winner = corner;
        for (int ky = 0; ky < size; ++ky)
            for (int kx = 0; kx < size; ++kx) {
                const long long place = corner + ((long long)ky * width + kx) * channels;
                gx[place] = 0;
                if (wins(x[place], best)) best = x[place], winner = place;
            }
        gx[winner] = g[row * ow * channels + i];
    }
}
