// The index of a thread. Arrays may have more than 2^31 elements, so indices into arrays have 64 bits. Operands of
// divisions have 32 bits: the rows of all images, and pixels times channels of one row. A 64-bit division takes several
// times as many instructions.
//
// Kernels on images use a 2d grid. Threads along x are neighbors in a row, so that their memory accesses are
// contiguous. Along y every thread computes the rows first_row(), first_row() + row_step(), ...
//
// Blocks have 256 threads. `__launch_bounds__(256, 4)` lets four blocks share a multiprocessor: the compiler then uses
// at most 64 registers per thread.
__device__ __forceinline__ long long element_index() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ unsigned column_index() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ long long first_row() { return (long long)blockIdx.y * blockDim.y + threadIdx.y; }
__device__ __forceinline__ long long row_step() { return (long long)gridDim.y * blockDim.y; }
