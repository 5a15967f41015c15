// Array indices of a thread.
//
// Array indices have 64 bits, because arrays may have more than 2^31 elements. Operands of divisions have 32 bits,
// because a 64-bit division takes several times as many instructions. These operands are row numbers, and pixels times
// channels of a row.
//
// CUDA kernels on images use a 2d grid. Consecutive threads along x process consecutive elements of a row, so that
// memory accesses are contiguous. Along y, each thread processes the rows first_row(), first_row() + row_step(), ...
//
// Thread blocks have 256 threads. With `__launch_bounds__(256, 4)`, the compiler uses at most 64 registers per thread,
// so that four thread blocks fit on a multiprocessor.
__device__ __forceinline__ long long element_index() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ unsigned column_index() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ long long first_row() { return (long long)blockIdx.y * blockDim.y + threadIdx.y; }
__device__ __forceinline__ long long row_step() { return (long long)gridDim.y * blockDim.y; }
