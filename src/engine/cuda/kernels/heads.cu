// Query and key: bias, the norm of each head where there is one, and rotation. One block a token,
// one warp a head, at most 8 values a lane.

#define LANES 4

// `out` may be `raw`. `turns` is [positions, 2, half]: cosines, then sines.
KERNEL heads_forward(const u16 *raw, int raw_pitch, u16 *out, int out_pitch, const float *bias,
                     const float *query_norm, const float *key_norm, const float *turns, const u32 *positions,
                     int heads, int kv_heads, int dim, float epsilon) {
    size_t token = blockIdx.x;
    int lane = threadIdx.x & 31, half = dim / 2;
    raw += token * raw_pitch;
    out += token * out_pitch;
    const float *turn = turns + (size_t)positions[token] * dim;
    for (int head = threadIdx.x >> 5; head < heads + 2 * kv_heads; head += blockDim.x >> 5) {
        const u16 *from = raw + head * dim;
        u16 *to = out + head * dim;
        float a[LANES], b[LANES];
        float squares = 0.0f;
#pragma unroll
        for (int i = 0; i < LANES; i++) {
            int at = lane + 32 * i;
            a[i] = b[i] = 0.0f;
            if (at < half) {
                a[i] = wide(from[at]);
                b[i] = wide(from[at + half]);
                if (bias) {
                    a[i] += bias[head * dim + at];
                    b[i] += bias[head * dim + at + half];
                }
            }
            squares += a[i] * a[i] + b[i] * b[i];
        }
        bool is_value = head >= heads + kv_heads;
        const float *norm = head < heads ? query_norm : key_norm;
        float inverse = 1.0f;
        if (norm && !is_value) inverse = rsqrtf(warp_sum(squares) / dim + epsilon);
#pragma unroll
        for (int i = 0; i < LANES; i++) {
            int at = lane + 32 * i;
            if (at >= half) continue;
            if (is_value) {
                to[at] = narrow(a[i]);
                to[at + half] = narrow(b[i]);
                continue;
            }
            if (norm) {
                a[i] *= inverse * norm[at];
                b[i] *= inverse * norm[at + half];
            }
            float c = turn[at], s = turn[at + half];
            to[at] = narrow(a[i] * c - b[i] * s);
            to[at + half] = narrow(b[i] * c + a[i] * s);
        }
    }
}

// Gradients of rotated query (in `grads` already), key and value (`sums` [splits, tokens, 2 kv_heads dim],
// to be added up) become those of the raw ones, in `grads`.
KERNEL heads_back(const u16 *raw, int raw_pitch, u16 *grads, int pitch, const float *sums, int splits, int tokens,
                  const float *query_norm, const float *key_norm, const float *turns, const u32 *positions,
                  int heads, int kv_heads, int dim, float epsilon) {
    size_t token = blockIdx.x;
    int lane = threadIdx.x & 31, half = dim / 2;
    raw += token * raw_pitch;
    grads += token * pitch;
    const float *turn = turns + (size_t)positions[token] * dim;
    for (int head = threadIdx.x >> 5; head < heads + 2 * kv_heads; head += blockDim.x >> 5) {
        u16 *to = grads + head * dim;
        bool is_value = head >= heads + kv_heads;
        const float *norm = head < heads ? query_norm : is_value ? nullptr : key_norm;
        float a[LANES], b[LANES], x[LANES], y[LANES];
        float squares = 0.0f, mixed = 0.0f;
#pragma unroll
        for (int i = 0; i < LANES; i++) {
            int at = lane + 32 * i;
            a[i] = b[i] = x[i] = y[i] = 0.0f;
            if (at >= half) continue;
            float p = 0.0f, q = 0.0f;
            if (head < heads) {
                p = wide(to[at]);
                q = wide(to[at + half]);
            } else {
                for (int split = 0; split < splits; split++) {
                    const float *from =
                        sums + ((size_t)split * tokens + token) * 2 * kv_heads * dim + (head - heads) * dim;
                    p += from[at];
                    q += from[at + half];
                }
            }
            if (!is_value) {
                float c = turn[at], s = turn[at + half];
                a[i] = p * c + q * s;
                b[i] = q * c - p * s;
            } else {
                a[i] = p;
                b[i] = q;
            }
            if (norm) {
                x[i] = wide(raw[head * dim + at]);
                y[i] = wide(raw[head * dim + at + half]);
                a[i] *= norm[at];
                b[i] *= norm[at + half];
                squares += x[i] * x[i] + y[i] * y[i];
                mixed += x[i] * a[i] + y[i] * b[i];
            }
        }
        if (norm) {
            float inverse = rsqrtf(warp_sum(squares) / dim + epsilon);
            float share = warp_sum(mixed) / dim * inverse * inverse;
#pragma unroll
            for (int i = 0; i < LANES; i++) {
                a[i] = inverse * (a[i] - x[i] * share);
                b[i] = inverse * (b[i] - y[i] * share);
            }
        }
#pragma unroll
        for (int i = 0; i < LANES; i++) {
            int at = lane + 32 * i;
            if (at >= half) continue;
            to[at] = narrow(a[i]);
            to[at + half] = narrow(b[i]);
        }
    }
}
