// Query and key: bias, the norm of each head where there is one, and rotation. One block a token; the fewest lanes, a power
// of two, that have 4 values of either half of a head each work on a head.

// The lanes of a head, and which head and values are this thread's.
struct HeadPart {
    int lanes, head, at;
    __device__ __forceinline__ explicit HeadPart(int dim) : lanes(1) {
        while (lanes * 8 < dim) lanes *= 2;
        head = threadIdx.x / lanes;
        at = threadIdx.x % lanes * 4;
    }
    // The sum over the lanes of a head.
    __device__ __forceinline__ float sum(float x) const {
        for (int step = lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
        return x;
    }
};

DEVICE void load4_wide(float *v, const u16 *p) {
    uint2 x = *(const uint2 *)p;
    v[0] = low(x.x); v[1] = high(x.x);
    v[2] = low(x.y); v[3] = high(x.y);
}
DEVICE void load4_wide(float *v, const float *p) {
    float4 x = *(const float4 *)p;
    v[0] = x.x; v[1] = x.y; v[2] = x.z; v[3] = x.w;
}
DEVICE void store4(u16 *p, const float *v) { *(uint2 *)p = make_uint2(pair(v[0], v[1]), pair(v[2], v[3])); }

// `out` may be `raw`. `turns` is [positions, 2, half]: cosines, then sines.
KERNEL heads_forward(const u16 *raw, int raw_pitch, u16 *out, int out_pitch, const float *bias,
                     const float *query_norm, const float *key_norm, const float *turns, const u32 *positions,
                     int heads, int kv_heads, int dim, float epsilon) {
    size_t token = blockIdx.x;
    HeadPart part(dim);
    int half = dim / 2, at = part.at, all = heads + 2 * kv_heads;
    raw += token * raw_pitch;
    out += token * out_pitch;
    const float *turn = turns + (size_t)positions[token] * dim;
    // All lanes of a warp go through the same rounds, as sums need them.
    for (int first = 0; first < all; first += blockDim.x / part.lanes) {
        int head = first + part.head;
        bool there = head < all && at < half, is_value = head >= heads + kv_heads;
        float a[4] = {}, b[4] = {}, c[4], s[4];
        if (there) {
            load4_wide(a, raw + head * dim + at);
            load4_wide(b, raw + head * dim + half + at);
        }
        if (there && bias) {
            load4_wide(c, bias + head * dim + at);
            load4_wide(s, bias + head * dim + half + at);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                a[i] += c[i];
                b[i] += s[i];
            }
        }
        if (query_norm) {
            float squares = 0.0f;
#pragma unroll
            for (int i = 0; i < 4; i++) squares += a[i] * a[i] + b[i] * b[i];
            float inverse = rsqrtf(part.sum(squares) / dim + epsilon);
            if (there && !is_value) {
                const float *norm = head < heads ? query_norm : key_norm;
                load4_wide(c, norm + at);
                load4_wide(s, norm + half + at);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    a[i] *= inverse * c[i];
                    b[i] *= inverse * s[i];
                }
            }
        }
        if (!there) continue;
        if (!is_value) {
            load4_wide(c, turn + at);
            load4_wide(s, turn + half + at);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float x = a[i], y = b[i];
                a[i] = x * c[i] - y * s[i];
                b[i] = y * c[i] + x * s[i];
            }
        }
        store4(out + head * dim + at, a);
        store4(out + head * dim + half + at, b);
    }
}

// Gradients of rotated query (in `grads` already), key and value (`sums` [splits, tokens, 2 kv_heads dim],
// to be added up) become those of the raw ones, in `grads`.
KERNEL heads_back(const u16 *raw, int raw_pitch, u16 *grads, int pitch, const float *sums, int splits, int tokens,
                  const float *query_norm, const float *key_norm, const float *turns, const u32 *positions,
                  int heads, int kv_heads, int dim, float epsilon) {
    size_t token = blockIdx.x;
    HeadPart part(dim);
    int half = dim / 2, at = part.at, all = heads + 2 * kv_heads;
    raw += token * raw_pitch;
    grads += token * pitch;
    const float *turn = turns + (size_t)positions[token] * dim;
    for (int first = 0; first < all; first += blockDim.x / part.lanes) {
        int head = first + part.head;
        bool there = head < all && at < half, is_value = head >= heads + kv_heads;
        float a[4] = {}, b[4] = {}, x[4] = {}, y[4] = {};
        if (there && head < heads) {
            load4_wide(a, grads + head * dim + at);
            load4_wide(b, grads + head * dim + half + at);
        } else if (there) {
            for (int split = 0; split < splits; split++) {
                const float *from = sums + ((size_t)split * tokens + token) * 2 * kv_heads * dim + (head - heads) * dim + at;
                load4_wide(x, from);
                load4_wide(y, from + half);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    a[i] += x[i];
                    b[i] += y[i];
                }
            }
        }
        if (there && !is_value) {
            float c[4], s[4];
            load4_wide(c, turn + at);
            load4_wide(s, turn + half + at);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float p = a[i], q = b[i];
                a[i] = p * c[i] + q * s[i];
                b[i] = q * c[i] - p * s[i];
            }
        }
        if (query_norm) {
            float squares = 0.0f, mixed = 0.0f;
            if (there && !is_value) {
                const float *norm = head < heads ? query_norm : key_norm;
                float c[4], s[4];
                load4_wide(c, norm + at);
                load4_wide(s, norm + half + at);
                load4_wide(x, raw + head * dim + at);
                load4_wide(y, raw + head * dim + half + at);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    a[i] *= c[i];
                    b[i] *= s[i];
                    squares += x[i] * x[i] + y[i] * y[i];
                    mixed += x[i] * a[i] + y[i] * b[i];
                }
            }
            float inverse = rsqrtf(part.sum(squares) / dim + epsilon);
            float share = part.sum(mixed) / dim * inverse * inverse;
            if (!is_value) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    a[i] = inverse * (a[i] - x[i] * share);
                    b[i] = inverse * (b[i] - y[i] * share);
                }
            }
        }
        if (!there) continue;
        store4(grads + head * dim + at, a);
        store4(grads + head * dim + half + at, b);
    }
}
