// Definitions to compile CUDA C as C++: only the features that kernels of quatnet use.
#pragma once
#include <cmath>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("cuda_shared")))
#define __syncthreads() cpu_barrier(__LINE__)

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

struct dim3 { unsigned x, y, z; };
extern "C" {
extern dim3 gridDim, blockDim, blockIdx, threadIdx;
void cpu_barrier(int line);
}
