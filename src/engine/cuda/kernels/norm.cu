// Root-mean-square norms, one block a row. Rows are multiples of 8 long.

DEVICE float inverse_of(const u16 *x, int width, float epsilon) {
    float sum = 0.0f;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight e = load8(x + i);
#pragma unroll
        for (int j = 0; j < 8; j++) sum += e.v[j] * e.v[j];
    }
    return rsqrtf(block_sum(sum) / width + epsilon);
}

// `out = x + y`, where `y` is normalized before by `post` if there is one; `normed` is `out`
// normalized by `weight` if there is one. Without `y`, `out` is `x` and is not written.
KERNEL add_norm(const u16 *x, const u16 *y, int y_pitch, const float *post, u16 *out, const float *weight,
                u16 *normed, int normed_pitch, int width, float epsilon) {
    size_t row = blockIdx.x;
    x += row * width;
    if (y) {
        y += row * y_pitch;
        out += row * width;
        float inverse = post ? inverse_of(y, width, epsilon) : 1.0f;
        for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
            Eight a = load8(x + i), b = load8(y + i);
            if (post) {
                Eight w = load8(post + i);
#pragma unroll
                for (int j = 0; j < 8; j++) b.v[j] = rounded(b.v[j] * inverse * w.v[j]);
            }
#pragma unroll
            for (int j = 0; j < 8; j++) a.v[j] += b.v[j];
            store8(out + i, a);
        }
        x = out;
    }
    if (!weight) return;
    // Each thread reads back what it wrote itself.
    float inverse = inverse_of(x, width, epsilon);
    normed += row * normed_pitch;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight a = load8(x + i), w = load8(weight + i);
#pragma unroll
        for (int j = 0; j < 8; j++) a.v[j] = a.v[j] * inverse * w.v[j];
        store8(normed + i, a);
    }
}

// The gradient through a norm: added to `dx`, or with `alone` written there.
KERNEL norm_back(const u16 *x, int x_pitch, const float *weight, const u16 *dn, int dn_pitch, u16 *dx,
                 int dx_pitch, int width, float epsilon, int alone) {
    size_t row = blockIdx.x;
    x += row * x_pitch;
    dn += row * dn_pitch;
    dx += row * dx_pitch;
    float squares = 0.0f, mixed = 0.0f;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight a = load8(x + i), g = load8(dn + i), w = load8(weight + i);
#pragma unroll
        for (int j = 0; j < 8; j++) {
            squares += a.v[j] * a.v[j];
            mixed += a.v[j] * g.v[j] * w.v[j];
        }
    }
    float inverse = rsqrtf(block_sum(squares) / width + epsilon);
    float share = block_sum(mixed) / width * inverse * inverse;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight a = load8(x + i), g = load8(dn + i), w = load8(weight + i), d;
        if (!alone) d = load8(dx + i);
#pragma unroll
        for (int j = 0; j < 8; j++) {
            float through = inverse * (g.v[j] * w.v[j] - a.v[j] * share);
            d.v[j] = alone ? through : d.v[j] + through;
        }
        store8(dx + i, d);
    }
}

// Rows of a table, scaled, with noise where there is any.
KERNEL embed(const u16 *table, const u32 *ids, u16 *out, int width, float scale, const u16 *noise) {
    size_t row = blockIdx.x;
    const u16 *from = table + (size_t)ids[row] * width;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight e = load8(from + i);
#pragma unroll
        for (int j = 0; j < 8; j++) e.v[j] *= scale;
        if (noise) {
            Eight more = load8(noise + row * width + i);
#pragma unroll
            for (int j = 0; j < 8; j++) e.v[j] += more.v[j];
        }
        store8(out + row * width + i, e);
    }
}

// Some rows of `x`, normalized.
KERNEL gather_norm(const u16 *x, const u32 *rows, const float *weight, u16 *normed, int width, float epsilon) {
    const u16 *from = x + (size_t)rows[blockIdx.x] * width;
    float inverse = inverse_of(from, width, epsilon);
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight a = load8(from + i), w = load8(weight + i);
#pragma unroll
        for (int j = 0; j < 8; j++) a.v[j] = a.v[j] * inverse * w.v[j];
        store8(normed + (size_t)blockIdx.x * width + i, a);
    }
}

// The gradient through the norm of these rows, to their places in `dx`.
KERNEL scatter_norm_back(const u16 *x, const u32 *rows, const float *weight, const u16 *dn, u16 *dx, int dx_pitch,
                         int width, float epsilon) {
    const u16 *from = x + (size_t)rows[blockIdx.x] * width;
    u16 *to = dx + (size_t)rows[blockIdx.x] * dx_pitch;
    dn += (size_t)blockIdx.x * width;
    float squares = 0.0f, mixed = 0.0f;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight a = load8(from + i), g = load8(dn + i), w = load8(weight + i);
#pragma unroll
        for (int j = 0; j < 8; j++) {
            squares += a.v[j] * a.v[j];
            mixed += a.v[j] * g.v[j] * w.v[j];
        }
    }
    float inverse = rsqrtf(block_sum(squares) / width + epsilon);
    float share = block_sum(mixed) / width * inverse * inverse;
    for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
        Eight a = load8(from + i), g = load8(dn + i), w = load8(weight + i), d;
#pragma unroll
        for (int j = 0; j < 8; j++) d.v[j] = inverse * (g.v[j] * w.v[j] - a.v[j] * share);
        store8(to + i, d);
    }
}
