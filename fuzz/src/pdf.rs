//! The layout of PDF pages, from glyphs on.

#[path = "../../src/document/pdf/codes.rs"]
mod codes;
#[path = "../../src/document/pdf/fragment.rs"]
mod fragment;
#[path = "../../src/document/pdf/furniture.rs"]
mod furniture;
#[path = "../../src/document/pdf/glyph.rs"]
mod glyph;
#[path = "../../src/document/pdf/join.rs"]
mod join;
#[path = "../../src/document/pdf/layout.rs"]
mod layout;
#[path = "../../src/document/pdf/line.rs"]
mod line;
#[path = "../../src/document/pdf/paragraph.rs"]
mod paragraph;

use codes::{Codes, is_doubtful};
use fragment::{PageFragments, fragments};
use glyph::{Glyph, Origin};
use layout::Layout;

use super::passage::Page;

/// What glyphs stand for: what lines, clauses, numbers and odd files are made of.
const TEXTS: [&str; 32] = [
    "가", "한", "다", ".", "제", "3", "장", "조", "(", ")", "1", "a", "B", "-", " ", "\u{2010}", "ffi", "\u{FFFD}",
    "", "•", "漢", "0306", "을", "e\u{301}", "\u{1100}", "/", "①", "Chapter ", "#", ":", "12", "\u{200B}",
];

/// Lays out pages of glyphs. Six bytes make a glyph: text, place, size and advance, direction. A text beyond
/// the list begins a new page.
pub fn lay_out(data: &[u8]) -> Vec<Page> {
    let mut layout = Layout::default();
    let mut codes = Codes::default();
    let (mut glyphs, mut pages, mut number) = (Vec::new(), Vec::new(), 1);
    let mut end = |glyphs: &mut Vec<Glyph>| {
        let page = PageFragments { width: 600.0, height: 800.0, fragments: fragments(glyphs) };
        glyphs.clear();
        layout.add(number, &page, Vec::new());
        assert!(layout.due(true).is_some());
        while layout.due(false).is_some() {
            pages.extend(layout.take());
        }
        number += 1;
    };
    for bytes in data.chunks_exact(6) {
        let &[text, x, y, size, way, more] = bytes else { continue };
        let Some(text) = TEXTS.get(usize::from(text)) else {
            end(&mut glyphs);
            continue;
        };
        let code = u32::from(x) << 4 | u32::from(y);
        if let Some(character) = text.chars().next() {
            codes.note(code, character);
        }
        if is_doubtful(code, char::from(way)) {
            let _ = codes.judge(code, char::from(way));
        }
        let odd = [f64::MAX, f64::MIN_POSITIVE, -1e9, 1e9];
        let strange = odd.get(usize::from(more)).copied();
        glyphs.push(Glyph {
            text: (*text).into(),
            x: f64::from(x) * 2.5,
            y: strange.unwrap_or(f64::from(y) * 3.2),
            size: f64::from(size) / 8.0,
            advance: f64::from(more) / 16.0,
            angle: [0, 90, 180, 270, 45, 0, 0, 0][usize::from(way % 8)],
            invisible: way & 8 > 0,
            origin: Origin::Mapped,
        });
    }
    end(&mut glyphs);
    let _ = end;
    while layout.due(true).is_some() {
        pages.extend(layout.take());
    }
    pages
}
