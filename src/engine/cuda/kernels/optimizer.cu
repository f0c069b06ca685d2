// Gradient norm and AdamW.

// Sums of squares of 65536 values each, in f64.
KERNEL squares(const float *grads, u32 count, double *out) {
    __shared__ double sums[256];
    double sum = 0.0;
    u32 first = blockIdx.x * 65536, end = min(first + 65536, count);
    for (u32 i = first + threadIdx.x; i < end; i += 256) sum += (double)grads[i] * (double)grads[i];
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int step = 128; step > 0; step >>= 1) {
        if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = sums[0];
}

struct Numbers {
    float beta1, beta2, epsilon, factor, size, root, keep, unused;
};

// As the reference: value * keep - size * first / (sqrt(second) * root + epsilon).
DEVICE float adam(float value, float grad, float &first, float &second, const Numbers &n) {
    grad *= n.factor;
    first = n.beta1 * first + (1.0f - n.beta1) * grad;
    second = n.beta2 * second + (1.0f - n.beta2) * grad * grad;
    return value * n.keep - n.size * first / (sqrtf(second) * n.root + n.epsilon);
}

// A run of values and of moments in f32. Runs of one launch do not overlap.
struct Run {
    u32 value;
    u32 moment;
    u32 count;
    u32 scale;
};

KERNEL adam_full(float *values, const float *grads, float *first, float *second, const Run *runs, Numbers n) {
    Run run = runs[blockIdx.x];
    for (u32 i = threadIdx.x; i < run.count; i += blockDim.x) {
        u32 at = run.value + i, moment = run.moment + i;
        values[at] = adam(values[at], grads[at], first[moment], second[moment], n);
    }
}

// Index of the entry nearest to `x`, the lower one on a limit: how many limits are below.
DEVICE u32 below(const float *limits, float x) {
    u32 at = 0;
#pragma unroll
    for (u32 step = 128; step > 0; step >>= 1)
        if (at + step <= 255 && x > limits[at + step - 1]) at += step;
    return at;
}

DEVICE float block_most(float x, float *shared) {
    x = warp_most(x);
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = x;
    __syncthreads();
    x = warp_most((threadIdx.x & 31) < 8 ? shared[threadIdx.x & 31] : 0.0f);
    __syncthreads();
    return x;
}

// One block of 256 values with moments in 8 bits. `maps`: signed entries, unsigned entries, their
// 255 limits each (padded to 256).
KERNEL adam_eight(float *values, const float *grads, u8 *codes1, float *scales1, u8 *codes2, float *scales2,
                  const Run *runs, const float *maps, Numbers n) {
    __shared__ float shared[8];
    __shared__ float tables[1024];
    for (u32 i = threadIdx.x; i < 1024; i += 256) tables[i] = maps[i];
    __syncthreads();
    Run run = runs[blockIdx.x];
    u32 i = threadIdx.x;
    bool there = i < run.count;
    u32 at = run.value + i, moment = run.moment + i;
    float first = 0.0f, second = 0.0f;
    if (there) {
        first = tables[codes1[moment]] * scales1[run.scale];
        second = tables[256 + codes2[moment]] * scales2[run.scale];
        values[at] = adam(values[at], grads[at], first, second, n);
    }
    float most1 = block_most(fabsf(first), shared);
    float most2 = block_most(fabsf(second), shared);
    if (i == 0) {
        scales1[run.scale] = most1;
        scales2[run.scale] = most2;
    }
    if (!there) return;
    u32 code = 127;
    if (most1 != 0.0f) {
        code = below(tables + 512, first / most1);
        float stored = tables[code];
        // Never one of the other sign.
        if ((__float_as_uint(stored) >> 31) != (__float_as_uint(first) >> 31)) {
            if (first > 0.0f) code = min(code + 1, 255u);
            else if (first < 0.0f) code = code > 0 ? code - 1 : 0;
        }
    }
    codes1[moment] = (u8)code;
    u32 code2 = 0;
    if (second != 0.0f && most2 != 0.0f) code2 = max(below(tables + 768, second / most2), 1u);
    codes2[moment] = (u8)code2;
}
