// What Hopper alone has: products of four warps at once on tiles in shared memory (`wgmma`), barriers that count
// arrivals, and registers handed from one group of warps to another. Only code for `sm_90a` knows these; every
// other device has the kernels of attention.cu alone.

#if defined(__CUDA_ARCH_FEAT_SM90_ALL) && (DIM == 64 || DIM == 128)
#define HOPPER

// A tile of 64 rows lies in panels of 64 columns, rows of 128 bytes; bytes.
#define PANEL 8192
#define BLOCK (DIM / 64 * PANEL)

#define PLACES8(c, i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3]), "+f"(c[i + 4]), "+f"(c[i + 5]), \
    "+f"(c[i + 6]), "+f"(c[i + 7])
#define PLACES16(c, i) PLACES8(c, i), PLACES8(c, i + 8)

// `c += a b`, or with `adds` 0 `c = a b`: 64 rows by twice as many columns as `c` has values, 16 deep. Rows go to warps
// by sixteens, and within a warp values lie as those of `mma`. `a` is in shared memory, or in registers as that of `mma`.
// `b` is stored by columns, or TURNED by depths.
template <int TURNED> DEVICE void multiply_wide(float (&c)[32], u64 a, u64 b, int adds) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %34, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
                 "%32, %33, p, 1, 1, 0, %35;}"
                 : PLACES16(c, 0), PLACES16(c, 16)
                 : "l"(a), "l"(b), "r"(adds), "n"(TURNED));
}
template <int TURNED> DEVICE void multiply_wide(float (&c)[32], const u32 *a, u64 b, int adds) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %37, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
                 "{%32,%33,%34,%35}, %36, p, 1, 1, %38;}"
                 : PLACES16(c, 0), PLACES16(c, 16)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds), "n"(TURNED));
}
template <int TURNED> DEVICE void multiply_wide(float (&c)[64], u64 a, u64 b, int adds) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %66, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                 "%64, %65, p, 1, 1, 0, %67;}"
                 : PLACES16(c, 0), PLACES16(c, 16), PLACES16(c, 32), PLACES16(c, 48)
                 : "l"(a), "l"(b), "r"(adds), "n"(TURNED));
}
template <int TURNED> DEVICE void multiply_wide(float (&c)[64], const u32 *a, u64 b, int adds) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %69, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                 "{%64,%65,%66,%67}, %68, p, 1, 1, %70;}"
                 : PLACES16(c, 0), PLACES16(c, 16), PLACES16(c, 32), PLACES16(c, 48)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds), "n"(TURNED));
}

// An operand in shared memory at `at`, its panels `across` bytes apart. The pieces of 16 bytes of a row are exchanged
// by the last three bits of its number, which is what the unit calls a swizzle of 128 bytes.
DEVICE u64 operand(u32 at, u32 across) {
    return (u64)(at >> 4) | (u64)(across >> 4) << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}

// What is added to an operand that begins so many bytes further on.
#define FURTHER(bytes) ((u64)((bytes) >> 4))

// Products given after this see registers and shared memory as they are now.
DEVICE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void products_end() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until all but the last LEFT groups of products are done.
template <int LEFT> DEVICE void products_done() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory"); }

// Keeps the compiler from moving what is done with these values to the other side.
template <int N> DEVICE void pin(float (&values)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) asm volatile("" : "+f"(values[i])::"memory");
}
template <int N> DEVICE void pin(u32 (&values)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) asm volatile("" : "+r"(values[i])::"memory");
}

template <int COUNT> DEVICE void registers_more() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT)); }
template <int COUNT> DEVICE void registers_less() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT)); }

// A barrier is passed each time so many threads have arrived; waits name the parity of the passage.
DEVICE void barrier_new(u32 at, u32 arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(arrivals) : "memory");
}
DEVICE void arrive(u32 at) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory"); }
DEVICE bool passed(u32 at, u32 parity) {
    u32 done;
    asm volatile("{.reg .pred p; mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                 : "=r"(done)
                 : "r"(at), "r"(parity)
                 : "memory");
    return done;
}
DEVICE void wait_passed(u32 at, u32 parity) {
    u32 done = 0;
    while (!done)
        asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                     : "=r"(done)
                     : "r"(at), "r"(parity)
                     : "memory");
}

// Barriers of a ring of so many places: `full` of each, then `empty` of each, 8 bytes a barrier.
template <int COUNT> struct Ring {
    u32 barriers, stage, parity;
    __device__ __forceinline__ explicit Ring(u32 at) : barriers(at), stage(0), parity(0) {}
    // Threads that fill arrive each, warps that use once.
    __device__ __forceinline__ void begin(u32 fillers, u32 users) const {
        for (int i = 0; i < COUNT; i++) {
            barrier_new(barriers + 8 * i, fillers);
            barrier_new(barriers + 8 * (COUNT + i), users);
        }
    }
    __device__ __forceinline__ u32 full() const { return barriers + 8 * stage; }
    __device__ __forceinline__ u32 empty() const { return barriers + 8 * (COUNT + stage); }
    __device__ __forceinline__ void next() {
        if (++stage == COUNT) {
            stage = 0;
            parity ^= 1;
        }
    }
};

// A thread's copies that nobody has been told of: the barrier that waits for them, or 0.
struct Bringer {
    u32 pending;
    // What was copied is for products, which read shared memory another way than copies write it.
    __device__ __forceinline__ void tell() {
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        arrive(pending);
        pending = 0;
    }
    // Tells of all copies so far.
    __device__ __forceinline__ void finish() {
        if (!pending) return;
        arrived<0>();
        tell();
    }
    // Waits for a place, not without having told of what would never be used otherwise.
    template <int COUNT> __device__ __forceinline__ void claim(const Ring<COUNT> &ring) {
        if (passed(ring.empty(), ring.parity ^ 1)) return;
        finish();
        wait_passed(ring.empty(), ring.parity ^ 1);
    }
    // Ends the copies of a place, and tells of those of the place before.
    template <int COUNT> __device__ __forceinline__ void close(Ring<COUNT> &ring) {
        commit();
        if (pending) {
            arrived<1>();
            tell();
        }
        pending = ring.full();
        ring.next();
    }
};

// Begins to copy a tile of 64 rows from `first` on, by 128 threads; rows from `tokens` on become zero.
DEVICE void bring(u32 to, u32 across, const u16 *from, int pitch, int first, int tokens) {
    constexpr int PIECES = DIM / 8, STEP = 128 / PIECES;
    int thread = threadIdx.x & 127, piece = thread % PIECES, row = thread / PIECES;
    to += piece / 8 * across + row * 128 + ((piece ^ row) & 7) * 16;
    const u16 *source = from + (size_t)(first + row) * pitch + piece * 8;
#pragma unroll
    for (int i = 0; i < ROWS; i += STEP) {
        bool there = first + row + i < tokens;
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to + i * 128), "l"(there ? source : from),
                     "r"(there ? 16 : 0)
                     : "memory");
        source += (size_t)STEP * pitch;
    }
}

// What each half of a pair of tiles sees of another tile, in the top bits of the other's number: nothing, some or all.
#define ALL_SEEN 3
DEVICE u32 seen_by(u32 entry, int half) { return entry >> (28 + 2 * half) & 3; }
DEVICE int tile_of(u32 entry) { return entry & 0x0fffffff; }

// Of 64 keys from `key` on what two queries of a thread do not see becomes minus infinity. A query that is none is -1.
template <int FIRST, int N>
DEVICE void hide_keys(float (&scores)[N], const Sight &s, u32 seen, const int *query, const u32 *place, int key) {
    if (seen == ALL_SEEN) return;
#pragma unroll
    for (int n = 0; n < 8; n++) {
        uint2 ends = *(const uint2 *)(s.ends + key + n * 8), places = *(const uint2 *)(s.positions + key + n * 8);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int q = query[j >> 1], end = j & 1 ? ends.y : ends.x;
            u32 before = place[j >> 1] - (j & 1 ? places.y : places.x);
            bool sees = seen && key + n * 8 + (j & 1) <= q && q < end && (int)before < s.window;
            if (!sees) scores[FIRST + 4 * n + j] = -INFINITE;
        }
    }
}

#endif
