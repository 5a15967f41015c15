// One step of Adam or AdamW for one parameter p with the gradient g. The updated parameter is written to `updated`. The
// running means of g and g² are updated in place.
//
// Memory: the CUDA kernel reads p, g and both means once, and writes the parameter and both means once. CuPy
// expressions need about fifteen passes. A function of `cupy.fuse` would also need one pass, but the generated source
// cannot be tested without a GPU.
//
// For L2 regularization, `decay` · p is added to g. For AdamW, `decoupled_decay` · p is added to the update. At least
// one of `decay` and `decoupled_decay` is 0.

extern "C" __global__ void __launch_bounds__(256, 4) adam(
    const T* p, const T* g, T* exp_avg, T* exp_avg_sq, T* updated, long long count, double lr, double beta1,
    double beta2, double first_correction, double second_correction, double eps, double decay, double decoupled_decay) {
    const long long i = element_index();
    if (i >= count) return;
    const T gradient = g[i] + T(decay) * p[i];
    const T m = exp_avg[i] * T(beta1) + T(1 - beta1) * gradient;
    const T v = exp_avg_sq[i] * T(beta2) + T(1 - beta2) * gradient * gradient;
    exp_avg[i] = m, exp_avg_sq[i] = v;
    const T direction = m / T(first_correction) / (sqrt(v / T(second_correction)) + T(eps));
    updated[i] = p[i] - T(lr) * (direction + T(decoupled_decay) * p[i]);
}
