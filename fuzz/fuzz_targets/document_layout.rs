//! The layout of PDF pages from glyphs on: pages come out in order and composed, and no blank stands where
//! nothing is.

#![no_main]

use hone_fuzz::document::pdf::lay_out;
use libfuzzer_sys::fuzz_target;
use unicode_normalization::is_nfc;

fuzz_target!(|data: &[u8]| {
    for (page, number) in lay_out(data).iter().zip(1..) {
        assert_eq!(page.number, number);
        assert!(is_nfc(&page.text), "{:?}", page.text);
        assert_eq!(page.text.trim(), page.text);
        assert!(!page.text.contains("\n\n\n"), "{:?}", page.text);
    }
});
