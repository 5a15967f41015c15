// Dropout with the Philox 4x64-10 generator: y = x · scale for the kept entries, and 0 for the others.
//
// The generator is counter-based: block n of the stream has four 64-bit words, computed from the key and the counter
// n + 1, as in `numpy.random.Philox`. Each word has two 32-bit numbers, the low one first. Entry i of the arrays uses
// number start + i. The mask of the backward pass is computed again, so that no mask is stored.
//
// Memory: each entry is read once and written once. A thread computes the 8 bits of one block of the stream, which
// its thread block exchanges in shared memory, so that consecutive threads access consecutive entries.
//
// Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, Parallel random numbers: as easy as 1, 2, 3, 2011.

#define PHILOX_BLOCKS 256

__device__ __forceinline__ void philox(unsigned long long counter, unsigned long long key0, unsigned long long key1,
                                       unsigned long long* words) {
    const unsigned long long multiplier0 = 0xD2E7470EE14C6C93ULL, multiplier1 = 0xCA5A826395121157ULL;
    words[0] = counter, words[1] = words[2] = words[3] = 0;
    for (int round = 0; round < 10; ++round) {
        const unsigned long long high0 = __umul64hi(multiplier0, words[0]), low0 = multiplier0 * words[0];
        const unsigned long long high1 = __umul64hi(multiplier1, words[2]), low1 = multiplier1 * words[2];
        words[0] = high1 ^ words[1] ^ key0, words[1] = low1;
        words[2] = high0 ^ words[3] ^ key1, words[3] = low0;
        key0 += 0x9E3779B97F4A7C15ULL, key1 += 0xBB67AE8584CAA73BULL;
    }
}

extern "C" __global__ void __launch_bounds__(PHILOX_BLOCKS, 4) dropout(
    const T* __restrict__ x, T* __restrict__ y, long long count, long long start, unsigned long long key0,
    unsigned long long key1, double p, double scale) {
    __shared__ unsigned char kept[PHILOX_BLOCKS];
    const long long first = -(start % 8) + (long long)blockIdx.x * PHILOX_BLOCKS * 8;
    unsigned long long words[4];
    philox(start / 8 + (long long)blockIdx.x * PHILOX_BLOCKS + threadIdx.x + 1, key0, key1, words);
    unsigned bits = 0;
    for (int n = 0; n < 8; ++n) {
        const unsigned number = (unsigned)(words[n / 2] >> n % 2 * 32) >> 8;
        bits |= (unsigned)(number * (1.0f / 16777216.0f) >= (float)p) << n;
    }
    kept[threadIdx.x] = (unsigned char)bits;
    __syncthreads();
    for (int n = threadIdx.x; n < PHILOX_BLOCKS * 8 && first + n < count; n += PHILOX_BLOCKS)
        if (first + n >= 0)
            y[first + n] = x[first + n] * (kept[n / 8] >> n % 8 & 1 ? T(scale) : T(0));
}
