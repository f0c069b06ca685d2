//! The size of this processor's second-level cache, which decides how many rows a task works on.

use std::sync::OnceLock;

/// Where the processor does not tell.
const USUAL: usize = 1 << 20;

/// Bytes of a core's second-level cache.
pub(super) fn second_level() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| told().unwrap_or(USUAL).clamp(256 << 10, 4 << 20))
}

/// Intel leaf 4 and AMD leaf `0x8000_001d` (one layout): a subleaf for each cache, EAX bits 0 to 4 its
/// kind (0 ends the list, 2 holds instructions only), bits 5 to 7 its level; EBX ways, partitions and
/// line size less one, ECX sets less one.
#[cfg(target_arch = "x86_64")]
fn told() -> Option<usize> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let leaf = if __cpuid(0x8000_0000).eax >= 0x8000_001d
        && __cpuid_count(0x8000_001d, 0).eax & 0x1f != 0
    {
        0x8000_001d
    } else if __cpuid(0).eax >= 4 {
        4
    } else {
        return None;
    };
    (0..8)
        .map(|subleaf| __cpuid_count(leaf, subleaf))
        .take_while(|cache| cache.eax & 0x1f != 0)
        .find(|cache| cache.eax >> 5 & 7 == 2 && cache.eax & 0x1f != 2)
        .map(|cache| {
            let (ways, partitions) = (cache.ebx >> 22 & 0x3ff, cache.ebx >> 12 & 0x3ff);
            let (line, sets) = (cache.ebx & 0xfff, cache.ecx);
            [ways, partitions, line, sets].map(|count| count as usize + 1).iter().product()
        })
}

#[cfg(not(target_arch = "x86_64"))]
fn told() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn the_size_is_the_one_the_system_tells() {
        let place = "/sys/devices/system/cpu/cpu0/cache/index2/size";
        let Ok(text) = std::fs::read_to_string(place) else {
            eprintln!("skipped: {place} is not there");
            return;
        };
        let kib: usize = text.trim().trim_end_matches('K').parse().unwrap();
        assert_eq!(told(), Some(kib << 10));
    }

    #[test]
    fn the_size_is_one_that_caches_have() {
        assert!((256 << 10..=4 << 20).contains(&second_level()));
    }
}
