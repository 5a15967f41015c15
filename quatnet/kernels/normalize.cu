// Batch normalization of arrays (rows, C) with optional relu, in two passes forward and two passes backward.
//
// Memory: `moments` reads x once. `affine` reads x once and writes y once. `gradient_sums` reads x, the upstream
// gradient g and, with relu, y. `input_gradient` reads the same arrays and writes grad_x. As CuPy expressions, the
// statistics read x three times and write a centered copy. Scale, shift and relu read and write y three times. The
// gradient takes about ten passes. Functions of `cupy.fuse` could replace `affine` and `input_gradient`, but the
// generated source cannot be tested without a GPU.

// Returns the sum of `value` over 32 lanes, the threads of a block with the same threadIdx.x.
__device__ __forceinline__ double sum_over_lanes(double value, double (*sums)[8]) {
    sums[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    for (int half = 16; half; half /= 2) {
        if (threadIdx.y < half) sums[threadIdx.y][threadIdx.x] += sums[threadIdx.y + half][threadIdx.x];
        __syncthreads();
    }
    value = sums[0][threadIdx.x];
    __syncthreads();
    return value;
}

// Computes the mean and the sum of squared deviations from the mean, for each channel of each chunk of rows. `out` is
// (2, chunks, C) in float64. A thread processes every eighth row of one channel, eight rows at a time. The first row of the chunk is
// subtracted, so that a large mean does not reduce the precision. The results of eight threads are combined.
//
// Source: T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, 1983, eq. 1.3 and 1.5.
extern "C" __global__ void __launch_bounds__(256, 4) moments(
    const T* __restrict__ x, double* __restrict__ out, long long rows, long long chunk, int channels) {
    __shared__ double counts[8][32], means[8][32], squares[8][32];
    const int c = blockIdx.x * 32 + threadIdx.x, lane = threadIdx.y;
    const long long first = blockIdx.y * chunk, end = first + chunk < rows ? first + chunk : rows;
    const T shift = c < channels ? x[first * channels + c] : T(0);
    T count = 0, mean = 0, square = 0;
    if (c < channels)
        for (long long row = first + lane; row < end; row += 64) {
            T values[8], sum = 0, deviations = 0;
            const int present = end - row > 56 ? 8 : (int)((end - row + 7) / 8);
            for (int k = 0; k < 8; ++k) values[k] = k < present ? x[(row + 8 * k) * channels + c] - shift : T(0);
            for (int k = 0; k < 8; ++k) sum += values[k];
            const T center = sum / present, step = center - mean;
            for (int k = 0; k < 8; ++k)
                if (k < present) deviations += (values[k] - center) * (values[k] - center);
            mean += step * present / (count + present);
            square += deviations + step * step * count * present / (count + present);
            count += present;
        }
    counts[lane][threadIdx.x] = count, means[lane][threadIdx.x] = mean, squares[lane][threadIdx.x] = square;
    __syncthreads();
    for (int half = 4; half; half /= 2) {
        if (lane < half && counts[lane + half][threadIdx.x] > 0) {
            const double m = counts[lane][threadIdx.x], n = counts[lane + half][threadIdx.x];
            const double step = means[lane + half][threadIdx.x] - means[lane][threadIdx.x];
            counts[lane][threadIdx.x] = m + n;
            means[lane][threadIdx.x] += step * n / (m + n);
            squares[lane][threadIdx.x] += squares[lane + half][threadIdx.x] + step * step * m * n / (m + n);
        }
        __syncthreads();
    }
    if (lane == 0 && c < channels) {
        out[(long long)blockIdx.y * channels + c] = shift + means[0][threadIdx.x];
        out[((long long)gridDim.y + blockIdx.y) * channels + c] = squares[0][threadIdx.x];
    }
}

// Computes the mean and the biased variance of each channel, from `parts` (2, chunks, C) of `moments`. `out` is (2, C).
// A block has 8 channels and 32 lanes. The sum of squared deviations of all rows is the sum over the chunks,
// plus n_k (m_k - mean)² for each chunk k with n_k rows and the mean m_k.
extern "C" __global__ void __launch_bounds__(256, 4) statistics(
    T* __restrict__ out, const double* __restrict__ parts, long long rows, long long chunk, int chunks, int channels) {
    __shared__ double sums[32][8];
    const int c = blockIdx.x * 8 + threadIdx.x;
    double sum = 0, squares = 0;
    for (int k = threadIdx.y; c < channels && k < chunks; k += 32)
        sum += parts[(long long)k * channels + c] * (k < chunks - 1 ? chunk : rows - k * chunk);
    const double mean = sum_over_lanes(sum, sums) / rows;
    for (int k = threadIdx.y; c < channels && k < chunks; k += 32) {
        const double step = parts[(long long)k * channels + c] - mean;
        squares += parts[((long long)chunks + k) * channels + c];
        squares += step * step * (k < chunks - 1 ? chunk : rows - k * chunk);
    }
    squares = sum_over_lanes(squares, sums);
    if (threadIdx.y == 0 && c < channels) out[c] = mean, out[channels + c] = squares / rows;
}

// Computes 1 / sqrt(variance + eps), and factor and offset of `affine`. `out` is (3, C).
extern "C" __global__ void __launch_bounds__(256, 4) coefficients(
    const T* mean, const T* variance, const T* weight, const T* bias, T* out, int channels, double eps) {
    const unsigned c = column_index();
    if (c >= (unsigned)channels) return;
    const T inv_std = 1 / sqrt(variance[c] + T(eps)), factor = weight[c] * inv_std;
    out[c] = inv_std, out[channels + c] = factor, out[2 * channels + c] = bias[c] - mean[c] * factor;
}

// Updates running statistics of a batch: running + momentum · (batch - running). The factor `correction` makes the
// variance unbiased. `out` contains `means` means, and then the variances.
extern "C" __global__ void __launch_bounds__(256, 4) moving_averages(
    const T* running_mean, const T* running_var, const T* mean, const T* variance, T* out, int means, int count,
    double momentum, double correction) {
    const int i = column_index();
    if (i >= count) return;
    const T running = i < means ? running_mean[i] : running_var[i - means];
    const T batch = i < means ? mean[i] : variance[i - means] * T(correction);
    out[i] = running + (batch - running) * T(momentum);
}

// Computes y = factor · x + offset for each channel, followed by relu if `relu` is not 0. A nan propagates.
extern "C" __global__ void __launch_bounds__(256, 4) affine(
    const T* __restrict__ x, const T* __restrict__ factor, const T* __restrict__ offset, T* __restrict__ y,
    long long rows, int channels, int relu) {
    const unsigned c = column_index();
    if (c >= (unsigned)channels) return;
    const T scale = factor[c], start = offset[c];
    #pragma unroll 4
    for (long long row = first_row(); row < rows; row += row_step()) {
        const T value = x[row * channels + c] * scale + start;
        y[row * channels + c] = relu && value < 0 ? T(0) : value;
    }
}

// Computes the sums of g and of g · (x - mean) for each channel of each chunk of rows. `out` is (2, chunks, C) in
// float64. If `relu` is not 0, entries of g with y <= 0 are replaced by 0.
extern "C" __global__ void __launch_bounds__(256, 4) gradient_sums(
    const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ y, const T* __restrict__ mean,
    double* __restrict__ out, long long rows, long long chunk, int channels,
    int relu) {
    __shared__ double sums[8][32], products[8][32];
    const int c = blockIdx.x * 32 + threadIdx.x, lane = threadIdx.y;
    const long long first = blockIdx.y * chunk, end = first + chunk < rows ? first + chunk : rows;
    const T center = c < channels ? mean[c] : T(0);
    T sum = 0, product = 0;
    if (c < channels)
        #pragma unroll 4
        for (long long row = first + lane; row < end; row += 8) {
            const long long index = row * channels + c;
            const T masked = relu && !(y[index] > 0) ? T(0) : g[index];
            sum += masked;
            product += masked * (x[index] - center);
        }
    sums[lane][threadIdx.x] = sum, products[lane][threadIdx.x] = product;
    __syncthreads();
    for (int half = 4; half; half /= 2) {
        if (lane < half) {
            sums[lane][threadIdx.x] += sums[lane + half][threadIdx.x];
            products[lane][threadIdx.x] += products[lane + half][threadIdx.x];
        }
        __syncthreads();
    }
    if (lane == 0 && c < channels) {
        out[(long long)blockIdx.y * channels + c] = sums[0][threadIdx.x];
        out[((long long)gridDim.y + blockIdx.y) * channels + c] = products[0][threadIdx.x];
    }
}

// Computes the gradients of bias and weight, and the coefficients of `input_gradient`, from `sums` (2, chunks, C) of
// `gradient_sums`. `out` is (5, C): gradient of the bias, gradient of the weight, factor, x_factor and offset. A block
// has 8 channels and 32 lanes.
extern "C" __global__ void __launch_bounds__(256, 4) gradient_coefficients(
    const T* mean, const T* inv_std, const T* weight, const double* __restrict__ sums, T* out, long long rows,
    int chunks, int channels) {
    __shared__ double lanes[32][8];
    const int c = blockIdx.x * 8 + threadIdx.x;
    double sum = 0, product = 0;
    for (int k = threadIdx.y; c < channels && k < chunks; k += 32) {
        sum += sums[(long long)k * channels + c];
        product += sums[((long long)chunks + k) * channels + c];
    }
    sum = sum_over_lanes(sum, lanes), product = sum_over_lanes(product, lanes);
    if (threadIdx.y || c >= channels) return;
    const double grad_weight = product * inv_std[c], factor = (double)weight[c] * inv_std[c];
    const double x_factor = -factor * inv_std[c] * grad_weight / rows;
    out[c] = sum, out[channels + c] = grad_weight, out[2 * channels + c] = factor, out[3 * channels + c] = x_factor;
    out[4 * channels + c] = -factor * sum / rows - x_factor * mean[c];
}

// Computes grad_x = factor · g + x_factor · x + offset for each channel. If `relu` is not 0, entries of g with y <= 0
// are replaced by 0.
extern "C" __global__ void __launch_bounds__(256, 4) input_gradient(
    const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ y, const T* __restrict__ factor,
    const T* __restrict__ x_factor, const T* __restrict__ offset, T* __restrict__ grad_x,
    long long rows, int channels, int relu) {
    const unsigned c = column_index();
    if (c >= (unsigned)channels) return;
    const T factor_g = factor[c], factor_x = x_factor[c], start = offset[c];
    #pragma unroll 4
    for (long long row = first_row(); row < rows; row += row_step()) {
        const long long index = row * channels + c;
        const T masked = relu && !(y[index] > 0) ? T(0) : g[index];
        grad_x[index] = masked * factor_g + start + x[index] * factor_x;
    }
}
