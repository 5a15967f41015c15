// Hamilton product of two arrays of the same shape, and its two gradients, each in one pass.
//
// Arrays are indexed as (outer, 4, inner), so that the components may be along any axis.
//
// Memory: for each quaternion, `product` reads 8 numbers and writes 4 numbers. `gradients` reads 12 numbers and writes
// 8 numbers. As CuPy expressions, the product takes 28 passes that read two arrays and write one array. The gradients
// are two products with conjugates. A function of `cupy.fuse` would return the components as separate arrays, and
// another pass would merge these arrays. The generated source cannot be tested without a GPU.

extern "C" __global__ void __launch_bounds__(256, 4) product(
    const T* p, const T* q, T* out, long long count, long long inner) {
    const long long i = element_index();
    if (i >= count) return;
    const long long start = i / inner * 4 * inner + i % inner;
    T a[4], b[4], c[4];
    for (int k = 0; k < 4; ++k) a[k] = p[start + k * inner], b[k] = q[start + k * inner];
    hamilton(a, b, c);
    for (int k = 0; k < 4; ++k) out[start + k * inner] = c[k];
}

extern "C" __global__ void __launch_bounds__(256, 4) gradients(
    const T* p, const T* q, const T* g, T* grad_p, T* grad_q, long long count, long long inner) {
    const long long i = element_index();
    if (i >= count) return;
    const long long start = i / inner * 4 * inner + i % inner;
    T a[4], b[4], c[4], grad_a[4], grad_b[4];
    for (int k = 0; k < 4; ++k) {
        const long long index = start + k * inner;
        a[k] = p[index], b[k] = q[index], c[k] = g[index];
    }
    left_gradient(c, b, grad_a);
    right_gradient(a, c, grad_b);
    for (int k = 0; k < 4; ++k) grad_p[start + k * inner] = grad_a[k], grad_q[start + k * inner] = grad_b[k];
}
