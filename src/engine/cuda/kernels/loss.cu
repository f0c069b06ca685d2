// Cross entropy of logits, one block a row. In place, logits become their gradient times `weight`.

KERNEL cross_entropy(u16 *logits, int pitch, int vocab, const u32 *labels, float *nats, float weight) {
    __shared__ float mosts[32], sums[32];
    u16 *row = logits + (size_t)blockIdx.x * pitch;
    u32 label = labels[blockIdx.x];
    float given = wide(row[label]);
    float most = -INFINITE, sum = 0.0f;
    int whole = vocab & ~7;
    for (int i = threadIdx.x * 8; i < whole; i += blockDim.x * 8) {
        Eight e = load8(row + i);
        float here = e.v[0];
#pragma unroll
        for (int j = 1; j < 8; j++) here = fmaxf(here, e.v[j]);
        if (here > most) {
            sum *= __expf(most - here);
            most = here;
        }
#pragma unroll
        for (int j = 0; j < 8; j++) sum += __expf(e.v[j] - most);
    }
    for (int i = whole + threadIdx.x; i < vocab; i += blockDim.x) {
        float x = wide(row[i]);
        if (x > most) {
            sum *= __expf(most - x);
            most = x;
        }
        sum += __expf(x - most);
    }
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    float warps_most = warp_most(most);
    sum = warp_sum(most == -INFINITE ? 0.0f : sum * __expf(most - warps_most));
    if (lane == 0) {
        mosts[warp] = warps_most;
        sums[warp] = sum;
    }
    __syncthreads();
    bool there = lane < (blockDim.x >> 5);
    float other = there ? mosts[lane] : -INFINITE;
    most = warp_most(other);
    sum = warp_sum(there && other != -INFINITE ? sums[lane] * __expf(other - most) : 0.0f);
    if (threadIdx.x == 0) nats[blockIdx.x] = logf(sum) + (most - given);
    // All threads have read the label's logit before it changes: there was a barrier since.
    float factor = weight / sum;
    for (int i = threadIdx.x * 8; i < whole; i += blockDim.x * 8) {
        Eight e = load8(row + i);
#pragma unroll
        for (int j = 0; j < 8; j++) {
            e.v[j] = __expf(e.v[j] - most) * factor;
            if (i + j == label) e.v[j] -= weight;
        }
        store8(row + i, e);
    }
    for (int i = whole + threadIdx.x; i < vocab; i += blockDim.x) {
        float x = __expf(wide(row[i]) - most) * factor;
        row[i] = narrow(i == label ? x - weight : x);
    }
}

// Sum of `count` values in f64, by one block in one order.
KERNEL sum_up(const float *values, u32 count, double *out) {
    __shared__ double sums[256];
    double sum = 0.0;
    for (u32 i = threadIdx.x; i < count; i += 256) sum += (double)values[i];
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int step = 128; step > 0; step >>= 1) {
        if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) *out += sums[0];
}
