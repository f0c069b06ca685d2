//! Link settings of the program.
//!
//! On Linux with glibc the program is linked to a fixed address: a position-independent one has
//! some 99,000 pointers to correct at every start, which takes longer than all else that a short
//! command does, and every document is read by a process of its own. Libraries, heap and stack
//! stay at random addresses.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |key: &str| std::env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    let features = target("FEATURE");
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    if target("OS") == "linux" && target("ENV") == "gnu" && target("ARCH") == "x86_64" && !is_static
    {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
