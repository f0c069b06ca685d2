// The gated activation: h = e sigmoid(t) g, with t = e (silu) or gelu's tanh formula.

DEVICE float gate_t(float e, int gelu) { return gelu ? 1.595769f * e * (1.0f + 0.044715f * e * e) : e; }

// How much of `e` goes through: the same bits forward and backward.
DEVICE float gate_share(float e, int gelu) { return 1.0f / (1.0f + __expf(-gate_t(e, gelu))); }

// Rows [e | g | ..] give rows of `width` values.
KERNEL gate_forward(const u16 *rows, int pitch, u16 *hidden, int hidden_pitch, int width, int gelu) {
    int at = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (at >= width) return;
    rows += (size_t)blockIdx.y * pitch;
    Eight e = load8(rows + at), g = load8(rows + width + at);
#pragma unroll
    for (int j = 0; j < 8; j++) {
        float gated = e.v[j] * gate_share(e.v[j], gelu);
        e.v[j] = gated * g.v[j];
    }
    store8(hidden + (size_t)blockIdx.y * hidden_pitch + at, e);
}

// In place: [e | g] become [de | dg], and dh becomes h.
KERNEL gate_back(u16 *rows, int pitch, u16 *hidden, int hidden_pitch, int width, int gelu) {
    int at = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (at >= width) return;
    rows += (size_t)blockIdx.y * pitch;
    hidden += (size_t)blockIdx.y * hidden_pitch;
    Eight e = load8(rows + at), g = load8(rows + width + at), d = load8(hidden + at);
#pragma unroll
    for (int j = 0; j < 8; j++) {
        float x = e.v[j], dh = d.v[j];
        float slope = gelu ? 1.595769f * (1.0f + 3.0f * 0.044715f * x * x) : 1.0f;
        float share = gate_share(x, gelu);
        float gated = x * share;
        d.v[j] = gated * g.v[j];
        e.v[j] = dh * g.v[j] * share * (1.0f + x * (1.0f - share) * slope);
        g.v[j] = dh * gated;
    }
    store8(hidden + at, d);
    store8(rows + at, e);
    store8(rows + width + at, g);
}

// Copies `eights` eights of columns of each row.
KERNEL copy_columns(const u16 *from, int from_pitch, u16 *to, int to_pitch, int eights, int rows) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, row = i / eights, column = i % eights * 8;
    if (row >= rows) return;
    *(uint4 *)(to + (size_t)row * to_pitch + column) = *(const uint4 *)(from + (size_t)row * from_pitch + column);
}
