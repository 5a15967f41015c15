// One step of Adam or AdamW for one parameter: p to `moved`, the running means of g and g² in place.
//
// Bytes: it reads p, g and both means once, and writes the parameter and both means once. As CuPy expressions it is
// about fifteen passes; `cupy.fuse` would do, but nothing without a GPU can test its text.
// `decay` is added to g times p, `decay_beside` to the adapted direction, as AdamW has it; one of them is 0.

extern "C" __global__ void __launch_bounds__(256, 4) adam(
    const T* p, const T* g, T* mean, T* square, T* moved, long long count, double rate, double fast, double slow,
    double first_correction, double second_correction, double epsilon, double decay, double decay_beside) {
    const long long i = element();
    if (i >= count) return;
    const T gradient = g[i] + T(decay) * p[i];
    const T m = mean[i] * T(fast) + T(1 - fast) * gradient;
    const T v = square[i] * T(slow) + T(1 - slow) * gradient * gradient;
    mean[i] = m, square[i] = v;
    const T direction = m / T(first_correction) / (sqrt(v / T(second_correction)) + T(epsilon));
    moved[i] = p[i] - T(rate) * (direction + T(decay_beside) * p[i]);
}
