// Average and maximum pooling of images (N, H, W, C) over windows of size x size pixels, with gradients. The
// windows do not overlap.
//
// Memory: the forward pass reads x once and writes y once. `average_gradient` reads each entry of the upstream gradient
// g size² times, after the first time from the cache, and writes grad_x once. `maximum_gradient` computes the maximum
// again, reads x and g once, and writes grad_x once, except for the maximum, which is written twice. With a stored
// index of the maximum, the index would be written and read, and would need memory until the backward pass. As CuPy
// expressions, average pooling takes size² additions, and each addition reads and writes y. Maximum pooling takes a
// stacked copy of x and two reductions.

// Returns the index of the first entry of a window. `row` is the row number among the output rows of all images. `i` is
// the output column times channels plus the channel.
__device__ __forceinline__ long long window(
    long long row, unsigned i, int height, int width, int channels, int oh, int size) {
    const long long image = (unsigned)row / oh, y = (unsigned)row % oh * size, x = i / channels * size;
    return ((image * height + y) * width + x) * channels + i % channels;
}

extern "C" __global__ void __launch_bounds__(256, 4) average(
    const T* __restrict__ x, T* __restrict__ y, int images, int height, int width, int channels, int oh, int ow,
    int size) {
    const unsigned i = column_index();
    if (i >= (unsigned)ow * channels) return;
    const T share = T(1.0 / ((double)size * size));
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const T* first = x + window(row, i, height, width, channels, oh, size);
        T sum = 0;
        for (int ky = 0; ky < size; ++ky)
            for (int kx = 0; kx < size; ++kx) sum += first[((long long)ky * width + kx) * channels];
        y[row * ow * channels + i] = sum * share;
    }
}

// One thread per window and channel. Entries of grad_x outside of all windows must be initialized with 0.
extern "C" __global__ void __launch_bounds__(256, 4) average_gradient(
    const T* __restrict__ g, T* __restrict__ grad_x, int images, int height, int width, int channels, int oh, int ow,
    int size) {
    const unsigned i = column_index();
    if (i >= (unsigned)ow * channels) return;
    const T share = T(1.0 / ((double)size * size));
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        T* first = grad_x + window(row, i, height, width, channels, oh, size);
        const T value = g[row * ow * channels + i] * share;
        for (int ky = 0; ky < size; ++ky)
            for (int kx = 0; kx < size; ++kx) first[((long long)ky * width + kx) * channels] = value;
    }
}

// Returns whether `value` is larger than `best` or is the first nan.
__device__ __forceinline__ bool replaces(T value, T best) { return value > best || (value != value && best == best); }

extern "C" __global__ void __launch_bounds__(256, 4) maximum(
    const T* __restrict__ x, T* __restrict__ y, int images, int height, int width, int channels, int oh, int ow,
    int size) {
    const unsigned i = column_index();
    if (i >= (unsigned)ow * channels) return;
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const T* first = x + window(row, i, height, width, channels, oh, size);
        T best = first[0];
        for (int ky = 0; ky < size; ++ky)
            for (int kx = 0; kx < size; ++kx) {
                const T value = first[((long long)ky * width + kx) * channels];
                if (replaces(value, best)) best = value;
            }
        y[row * ow * channels + i] = best;
    }
}

// One thread per window and channel. The gradient is g at the first maximum of a window, and 0 at the other entries.
// Entries of grad_x outside of all windows must be initialized with 0.
extern "C" __global__ void __launch_bounds__(256, 4) maximum_gradient(
    const T* __restrict__ g, const T* __restrict__ x, T* __restrict__ grad_x, int images, int height, int width,
    int channels, int oh, int ow, int size) {
    const unsigned i = column_index();
    if (i >= (unsigned)ow * channels) return;
    for (long long row = first_row(); row < (long long)images * oh; row += row_step()) {
        const long long first = window(row, i, height, width, channels, oh, size);
        T best = x[first];
        long long argmax = first;
        for (int ky = 0; ky < size; ++ky)
            for (int kx = 0; kx < size; ++kx) {
                const long long index = first + ((long long)ky * width + kx) * channels;
                grad_x[index] = 0;
                if (replaces(x[index], best)) best = x[index], argmax = index;
            }
        grad_x[argmax] = g[row * ow * channels + i];
    }
}
