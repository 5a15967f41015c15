// The Hamilton product of two arrays of one shape, and its two gradients, each in one pass.
//
// Arrays are seen as (outer, 4, inner), so the components may lie along any axis. Bytes: the product reads 8 numbers and
// writes 4 for each quaternion, the gradients read 12 and write 8. As CuPy expressions the product is 28 passes of
// two reads and a write, and the gradients two such products of two conjugates. `cupy.fuse` would return components as
// arrays of their own, which a stack reads and writes once more, and nothing without a GPU can test the text it writes.

extern "C" __global__ void __launch_bounds__(256, 4) product(
    const T* p, const T* q, T* out, long long count, long long inner) {
    const long long i = element();
    if (i >= count) return;
    const long long start = i / inner * 4 * inner + i % inner;
    T a[4], b[4], c[4];
    for (int k = 0; k < 4; ++k) a[k] = p[start + k * inner], b[k] = q[start + k * inner];
    hamilton(a, b, c);
    for (int k = 0; k < 4; ++k) out[start + k * inner] = c[k];
}

extern "C" __global__ void __launch_bounds__(256, 4) gradients(
    const T* p, const T* q, const T* g, T* gp, T* gq, long long count, long long inner) {
    const long long i = element();
    if (i >= count) return;
    const long long start = i / inner * 4 * inner + i % inner;
    T a[4], b[4], c[4], of_a[4], of_b[4];
    for (int k = 0; k < 4; ++k) {
        const long long place = start + k * inner;
        a[k] = p[place], b[k] = q[place], c[k] = g[place];
    }
    left_gradient(c, b, of_a);
    right_gradient(a, c, of_b);
    for (int k = 0; k < 4; ++k) gp[start + k * inner] = of_a[k], gq[start + k * inner] = of_b[k];
}
