// Where a thread is. Arrays may pass 2^31 elements, so places in them have 64 bits. What is divided has 32: the rows of
// all images, and pixels times channels of one row. Dividing 64 bits takes several times as many instructions.
//
// An image has a grid of two directions: threads along x are neighbors in a row, so that what they read and write lies
// side by side, and every thread walks down the rows with the step of the whole grid.
//
// Blocks have 256 threads. `__launch_bounds__(256, 4)` lets four of them share a multiprocessor: the compiler then keeps
// to 64 registers a thread.
__device__ __forceinline__ long long element() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ unsigned column() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ long long first_row() { return (long long)blockIdx.y * blockDim.y + threadIdx.y; }
__device__ __forceinline__ long long row_step() { return (long long)gridDim.y * blockDim.y; }
