//! Tiles of 32 rows by 32 columns in Intel's AMX: two by two tile registers of sums.
//!
//! The intrinsics are not stable, so the instructions are written as assembly (Intel 64 Software
//! Developer's Manual, volume 2, `TDPBF16PS` and its neighbours). A tile register holds 16 rows
//! of 64 bytes: of the left operand 16 rows by 32 depths, of the panel 16 pairs of depths by 16
//! columns, of sums 16 by 16.

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::OnceLock;

use half::bf16 as Half;

use super::{STEP, Work};

/// Rows of a tile.
pub(super) const ROWS: usize = 32;

/// `ARCH_REQ_XCOMP_PERM` of `arch_prctl` (Linux, `arch/x86/include/uapi/asm/prctl.h`).
#[cfg(target_os = "linux")]
const REQUEST_PERMISSION: u64 = 0x1023;
/// State component of tile data.
#[cfg(target_os = "linux")]
const TILE_DATA: u64 = 18;

/// Whether the processor has AMX with bf16 and the system lets this process use it.
///
/// Asks the system once; the permission holds for all threads.
pub(in crate::engine::cpu) fn is_permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| has_amx() && request_permission())
}

/// CPUID leaf 7: AMX-BF16 (EDX bit 22) and AMX-TILE (bit 24); XCR0 bits 17 and 18: the system
/// saves tiles.
fn has_amx() -> bool {
    if !is_x86_feature_detected!("xsave") || !is_x86_feature_detected!("avx512f") {
        return false;
    }
    let features = __cpuid_count(7, 0).edx;
    // SAFETY: the processor has XSAVE, and AVX-512 is usable, so the system has enabled it.
    #[expect(unsafe_code, reason = "call of a target-feature function")]
    let saved = unsafe { saved_state() };
    features >> 22 & 1 == 1 && features >> 24 & 1 == 1 && saved >> 17 & 3 == 3
}

#[target_feature(enable = "xsave")]
fn saved_state() -> u64 {
    // SAFETY: register 0 is there wherever XSAVE is enabled.
    #[expect(unsafe_code, reason = "reads a control register")]
    unsafe {
        _xgetbv(0)
    }
}

#[cfg(target_os = "linux")]
fn request_permission() -> bool {
    const ARCH_PRCTL: u64 = 158;
    let result: u64;
    // SAFETY: a system call that takes two numbers and touches no memory of ours.
    #[expect(unsafe_code, reason = "system call")]
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => result, in("rdi") REQUEST_PERMISSION,
             in("rsi") TILE_DATA, out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn request_permission() -> bool {
    false
}

/// Layout of `LDTILECFG`'s operand, palette 1.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static SHAPES: Shapes = Shapes {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Readies this thread's tile registers.
pub(super) fn begin() {
    // SAFETY: only reached where AMX is permitted; the operand is a valid configuration.
    #[expect(unsafe_code, reason = "AMX instruction")]
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack));
    }
}

/// Gives the tile registers back.
pub(super) fn end() {
    // SAFETY: only reached where AMX is permitted.
    #[expect(unsafe_code, reason = "AMX instruction")]
    unsafe {
        asm!("tilerelease", options(nostack));
    }
}

/// Asks for eight lines that are so many bytes on.
macro_rules! ahead {
    ($register:ident $bytes:literal) => {
        concat!(
            "prefetcht0 [{",
            stringify!($register),
            "} + ",
            $bytes,
            "]\n",
            "prefetcht0 [{",
            stringify!($register),
            "} + ",
            $bytes,
            " + 64]\n",
            "prefetcht0 [{",
            stringify!($register),
            "} + ",
            $bytes,
            " + 128]\n",
            "prefetcht0 [{",
            stringify!($register),
            "} + ",
            $bytes,
            " + 192]\n",
            "prefetcht0 [{",
            stringify!($register),
            "} + ",
            $bytes,
            " + 256]\n",
            "prefetcht0 [{",
            stringify!($register),
            "} + ",
            $bytes,
            " + 320]\n",
            "prefetcht0 [{",
            stringify!($register),
            "} + ",
            $bytes,
            " + 384]\n",
            "prefetcht0 [{",
            stringify!($register),
            "} + ",
            $bytes,
            " + 448]",
        )
    };
}

/// See [`super::Tile::run`]. Sums are in tiles 0 to 3, the left operand in 4 and 5, the panel in
/// 6 and 7.
///
/// # Safety
/// As there; 32 rows always, depth a multiple of 32, between [`begin`] and [`end`].
#[expect(unsafe_code, reason = "AMX instructions")]
pub(super) unsafe fn bf16(work: Work<Half>) {
    let a_bytes = work.a_pitch * 2;
    let c_bytes = work.c_pitch * 4;
    // SAFETY: `c` has 32 rows of 32 values.
    let [c0, c1, c2, c3] = unsafe {
        let lower = work.c.add(16 * work.c_pitch);
        [work.c, work.c.add(16), lower, lower.add(16)]
    };
    // SAFETY: tile registers are configured; loads stay within the 32 rows of `a`, the panel and
    // `c`; the registers are ours between `begin` and `end`.
    unsafe {
        if work.add {
            asm!("tileloadd tmm0, [{c0} + {s}]", "tileloadd tmm1, [{c1} + {s}]",
                 "tileloadd tmm2, [{c2} + {s}]", "tileloadd tmm3, [{c3} + {s}]",
                 c0 = in(reg) c0, c1 = in(reg) c1, c2 = in(reg) c2, c3 = in(reg) c3,
                 s = in(reg) c_bytes, options(nostack));
        } else {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                options(nostack)
            );
        }
        let steps = work.depth / STEP;
        if steps > 0 {
            // A step takes 32 depths: of `a` 64 bytes of each row, of the panel 16 groups of 128 bytes. What
            // the step after the next reads is asked for early, line by line between the products: the
            // second-level cache is too far away to wait for, most of all where two threads share a core. Of what comes
            // after the panel an eighth as much is asked for, into that cache.
            asm!(
                "2:",
                "tileloadd tmm6, [{b} + {b_row}]",
                "tileloadd tmm4, [{a0} + {a_row}]",
                ahead!(a0 4096),
                ahead!(b 4096),
                "prefetcht1 [{n}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b} + {b_row} + 64]",
                ahead!(a0 4608),
                ahead!(b 4608),
                "prefetcht1 [{n} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{a1} + {a_row}]",
                ahead!(a0 5120),
                ahead!(b 5120),
                "prefetcht1 [{n} + 128]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                ahead!(a0 5632),
                ahead!(b 5632),
                "prefetcht1 [{n} + 192]",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a0}, {a_step}",
                "add {a1}, {a_step}",
                "add {b}, 2048",
                "add {n}, 256",
                "dec {steps}",
                "jnz 2b",
                a0 = inout(reg) work.a => _,
                a1 = inout(reg) work.a.add(16 * work.a_pitch) => _,
                a_row = in(reg) a_bytes,
                a_step = in(reg) work.a_step * 2,
                b = inout(reg) work.b => _,
                b_row = in(reg) 128usize,
                n = inout(reg) work.ahead => _,
                steps = inout(reg) steps => _,
                options(nostack),
            );
        }
        asm!("tilestored [{c0} + {s}], tmm0", "tilestored [{c1} + {s}], tmm1",
             "tilestored [{c2} + {s}], tmm2", "tilestored [{c3} + {s}], tmm3",
             c0 = in(reg) c0, c1 = in(reg) c1, c2 = in(reg) c2, c3 = in(reg) c3,
             s = in(reg) c_bytes, options(nostack));
    }
}
