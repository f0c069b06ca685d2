//! A device for hayro that notes the glyphs drawn on it instead of drawing.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use hayro_interpret::font::{Glyph as Shape, GlyphRun, PositionedGlyph};
use hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro_interpret::kurbo::{Affine, BezPath};
use hayro_interpret::{
    BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, SoftMask,
};
use hayro_syntax::object::{Dict, Name, String as PdfString};

use super::super::passage::PageFlag;
use super::codes::{Codes, Verdict, is_doubtful};
use super::fragment::{PageFragments, fragments};
use super::glyph::{Glyph, Origin, UNKNOWN, clean};

/// hayro gives glyph widths and places in thousandths of the font size.
const UNITS: f64 = 1000.0;
/// A page with a larger share of unknown characters than this is no text.
const UNMAPPED_LIMIT: f64 = 0.2;
/// Guesses hold only if at least this share of a font's unmapped codes is printable ASCII.
const GUESS_LIMIT: f64 = 0.9;
/// A page without glyphs but with this many drawn shapes may show text as outlines.
const OUTLINE_SHAPES: usize = 50;

/// Notes the glyphs of one page after another.
#[derive(Default)]
pub(super) struct Collector {
    width: f64,
    height: f64,
    glyphs: Vec<Glyph>,
    /// Indices of glyphs whose meaning only the whole page tells.
    open: Vec<(usize, Question)>,
    /// The code of each glyph.
    codes: Vec<u32>,
    /// The first glyph of each run, and its font.
    runs: Vec<(usize, u128)>,
    /// What the fonts met so far say about their codes.
    fonts: HashMap<u128, Codes>,
    images: usize,
    shapes: usize,
    marks: Vec<Mark>,
    frame: Frame,
}

/// Why a glyph's meaning is open.
#[derive(Debug, Clone, Copy)]
enum Question {
    /// The file does not say it.
    Unmapped { font: u128, code: u32 },
    /// What the file says may be damaged.
    Doubtful { font: u128, code: u32, character: char },
}

/// An open marked-content sequence (ISO 32000-1, 14.6).
enum Mark {
    /// Nothing that matters here.
    Plain,
    /// Page furniture: header, footer, page number, watermark.
    Furniture,
    /// The glyphs from `first` on stand for `text` together (ActualText, 14.9.4).
    Actual { first: usize, text: String },
}

impl Collector {
    /// Begins an empty page of this size, in points.
    pub(super) fn begin(&mut self, width: f64, height: f64) {
        (self.width, self.height) = (width, height);
        self.glyphs.clear();
        self.codes.clear();
        self.runs.clear();
        self.open.clear();
        self.marks.clear();
        (self.images, self.shapes) = (0, 0);
    }

    fn note(&mut self, shape: &Shape<'_>, run: &RunFrame, transform: Affine) {
        let coefficients = transform.as_coeffs();
        self.frame.turn(&coefficients, run.vertical);
        let frame = &self.frame;
        if !self.shows(coefficients[4], coefficients[5], frame.size) {
            return;
        }
        let units = match shape {
            Shape::Outline(outline) => outline.advance_width(),
            Shape::Type3(glyph) => glyph.advance_width(),
        };
        let advance = f64::from(units.unwrap_or(0.0));
        let (mut x, y) = frame.place(coefficients[4], coefficients[5]);
        let advance = if run.vertical {
            // The place is that of the horizontal baseline, 0.88 of the size below the glyph's top
            // (the default of /DW2, ISO 32000-1, 9.7.4.3).
            x -= 0.88 * frame.size;
            frame.size
        } else {
            advance / UNITS * frame.size * run.stretch
        };
        let code = shape.char_code();
        let known = shape.as_unicode().and_then(|value| match value {
            BfString::Char(character) => {
                if is_doubtful(code, character) {
                    let question = Question::Doubtful { font: run.font, code, character };
                    self.open.push((self.glyphs.len(), question));
                }
                clean(std::iter::once(character))
            }
            BfString::String(characters) => clean(characters.chars()),
        });
        let (text, origin) = match known {
            Some(text) => (text, Origin::Mapped),
            None => (UNKNOWN.into(), Origin::Unmapped),
        };
        if origin == Origin::Unmapped && guessable(shape, code) {
            let question = Question::Unmapped { font: run.font, code };
            self.open.push((self.glyphs.len(), question));
        }
        self.codes.push(code);
        self.glyphs.push(Glyph {
            text,
            x,
            y,
            size: frame.size,
            advance,
            angle: frame.angle,
            invisible: run.invisible,
            origin,
        });
    }

    /// Tells whether a place is on the page, or so close that a glyph there may be seen.
    fn shows(&self, x: f64, y: f64, size: f64) -> bool {
        size > 0.1
            && size.is_finite()
            && x > -2.0 * size
            && y > -size
            && x < self.width + size
            && y < self.height + size
    }

    /// Takes printable codes for their characters where a font has nearly no others.
    fn guess(&mut self) {
        let printable = |code: u32| char::from_u32(code).filter(|c| (' '..='~').contains(c));
        let mut fonts: HashMap<u128, (usize, usize)> = HashMap::new();
        for (_, question) in &self.open {
            if let Question::Unmapped { font, code } = question {
                let (all, likely) = fonts.entry(*font).or_default();
                *all += 1;
                *likely += usize::from(printable(*code).is_some());
            }
        }
        for (index, question) in &self.open {
            if let Question::Unmapped { font, code } = question
                && let Some((all, likely)) = fonts.get(font)
                && *likely as f64 >= GUESS_LIMIT * *all as f64
                && let (Some(glyph), Some(character)) =
                    (self.glyphs.get_mut(*index), printable(*code))
                && glyph.origin == Origin::Unmapped
            {
                glyph.text = CompactString::from_iter([character]);
                glyph.origin = Origin::Guessed;
            }
        }
    }

    /// Reads characters that the file's maps have damaged, where their neighbours tell them.
    fn mend(&mut self) {
        let doubtful: HashSet<u128> = self
            .open
            .iter()
            .filter_map(|(_, question)| match question {
                Question::Doubtful { font, .. } => Some(*font),
                Question::Unmapped { .. } => None,
            })
            .collect();
        if doubtful.is_empty() {
            return;
        }
        let ends = self.runs.iter().skip(1).map(|(first, _)| *first).chain([self.glyphs.len()]);
        for ((first, font), end) in self.runs.iter().zip(ends) {
            if !doubtful.contains(font) {
                continue;
            }
            let font = self.fonts.entry(*font).or_default();
            let glyphs = self.glyphs.get(*first..end).unwrap_or_default();
            let codes = self.codes.get(*first..end).unwrap_or_default();
            for (glyph, code) in glyphs.iter().zip(codes) {
                let mut characters = glyph.text.chars();
                if let (Some(character), None) = (characters.next(), characters.next()) {
                    font.note(*code, character);
                }
            }
        }
        // Twice, since what is lost is known only once damage is proved.
        for _ in 0..2 {
            for (index, question) in &self.open {
                let Question::Doubtful { font, code, character } = *question else { continue };
                let (Some(glyph), Some(font)) =
                    (self.glyphs.get_mut(*index), self.fonts.get_mut(&font))
                else {
                    continue;
                };
                match font.judge(code, character) {
                    Verdict::Stands => {}
                    Verdict::Was(character) => {
                        glyph.text = CompactString::from_iter([character]);
                        glyph.origin = Origin::Guessed;
                    }
                    Verdict::Lost => {
                        glyph.text = UNKNOWN.into();
                        glyph.origin = Origin::Unmapped;
                    }
                }
            }
        }
    }

    /// The page's fragments, and what to know about them.
    pub(super) fn finish(&mut self) -> (PageFragments, Vec<PageFlag>) {
        self.guess();
        self.mend();
        let visible = self.glyphs.iter().filter(|glyph| !glyph.text.trim().is_empty());
        let (mut all, mut unmapped, mut guessed, mut invisible) = (0usize, 0usize, 0usize, 0usize);
        for glyph in visible {
            all += 1;
            unmapped += usize::from(glyph.origin == Origin::Unmapped);
            guessed += usize::from(glyph.origin == Origin::Guessed);
            invisible += usize::from(glyph.invisible);
        }
        let mut flags = Vec::new();
        let garbage = unmapped as f64 > UNMAPPED_LIMIT * all as f64;
        if garbage || (all == 0 && (self.images > 0 || self.shapes >= OUTLINE_SHAPES)) {
            flags.push(PageFlag::NeedsOcr);
        } else {
            if guessed > 0 {
                flags.push(PageFlag::Guessed);
            }
            if self.images > 0 && all > 0 && invisible * 10 >= all * 9 {
                flags.push(PageFlag::Ocr);
            }
        }
        let page = PageFragments {
            width: self.width,
            height: self.height,
            fragments: if garbage { Vec::new() } else { fragments(&self.glyphs) },
        };
        (page, flags)
    }
}

/// What the glyphs of one run share.
struct RunFrame {
    font: u128,
    vertical: bool,
    invisible: bool,
    /// Horizontal scaling.
    stretch: f64,
}

/// The frame of a line: rotated so that the line runs along `x`.
#[derive(Default)]
struct Frame {
    /// What it was made for; most glyphs have the same as the one before.
    matrix: [f64; 4],
    vertical: bool,
    angle: i16,
    size: f64,
    cosine: f64,
    sine: f64,
}

impl Frame {
    /// Makes this the frame of a glyph.
    fn turn(&mut self, coefficients: &[f64; 6], vertical: bool) {
        let [a, b, c, d, ..] = *coefficients;
        if self.matrix == [a, b, c, d] && self.vertical == vertical && self.size > 0.0 {
            return;
        }
        let mut degrees = b.atan2(a).to_degrees().round() as i16;
        if vertical {
            degrees += 90;
        }
        let degrees = degrees.rem_euclid(360);
        // Scans and sloppy producers are a little askew.
        let angle = [0, 90, 180, 270, 360]
            .into_iter()
            .find(|right: &i16| (degrees - right).abs() <= 2)
            .unwrap_or(degrees)
            % 360;
        let radians = f64::from(angle).to_radians();
        *self = Self {
            matrix: [a, b, c, d],
            vertical,
            angle,
            size: c.hypot(d) * UNITS,
            cosine: radians.cos(),
            sine: radians.sin(),
        };
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        (x * self.cosine + y * self.sine, y * self.cosine - x * self.sine)
    }
}

/// Horizontal scaling of a run. hayro also stretches single glyphs of substitute fonts; the median leaves
/// those out.
fn stretch(run: &GlyphRun<'_, '_>) -> f64 {
    let linear = |glyph: &PositionedGlyph<'_>| {
        let [a, b, c, d, ..] = glyph.transform().as_coeffs();
        [a, b, c, d]
    };
    let Some(first) = run.glyphs().first().map(linear) else {
        return 1.0;
    };
    let ratio = |[a, b, c, d]: [f64; 4]| a.hypot(b) / c.hypot(d);
    let median = if run.glyphs().iter().all(|glyph| linear(glyph) == first) {
        ratio(first)
    } else {
        let mut ratios: Vec<f64> = run.glyphs().iter().map(|glyph| ratio(linear(glyph))).collect();
        ratios.retain(|ratio| ratio.is_finite());
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(1.0)
    };
    if !median.is_finite() || (0.97..=1.03).contains(&median) { 1.0 } else { median }
}

/// Tells whether a glyph's code may be its character: those of Type 3 and simple fonts. A glyph index used as
/// a code says nothing.
fn guessable(shape: &Shape<'_>, code: u32) -> bool {
    match shape {
        Shape::Type3(_) => true,
        Shape::Outline(outline) => code <= 0xFF && code != outline.glyph_id().to_u32(),
    }
}

/// A key for the font of a run; 0 for all Type 3 fonts, 1 for those without a font file.
fn font_key(run: &GlyphRun<'_, '_>) -> u128 {
    match run.glyphs().first().map(|glyph| &**glyph) {
        Some(Shape::Outline(outline)) => outline.font_data().map_or(1, |data| data.cache_key),
        _ => 0,
    }
}

/// Whether a property list marks page furniture (ISO 32000-1, 14.8.2.2.2).
fn is_furniture(properties: Option<&Dict<'_>>) -> bool {
    let Some(properties) = properties else {
        return false;
    };
    let name = |key: &[u8]| properties.get::<Name<'_>>(key).map(|name| name.as_str().to_owned());
    name(b"Type").as_deref() == Some("Pagination")
        || matches!(
            name(b"Subtype").as_deref(),
            Some("Header" | "Footer" | "Watermark" | "PageNum")
        )
}

/// A PDF text string: UTF-16BE or UTF-8 with a byte order mark, otherwise taken as Latin-1.
fn text_string(string: &PdfString<'_>) -> String {
    let bytes = string.as_bytes();
    match bytes {
        [0xFE, 0xFF, rest @ ..] => char::decode_utf16(
            rest.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))),
        )
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect(),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

impl<'a> Device<'a> for Collector {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {
        self.shapes += 1;
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        if self.marks.iter().any(|mark| matches!(mark, Mark::Furniture)) {
            return;
        }
        let frame = RunFrame {
            font: font_key(run),
            vertical: run.writing_mode() == WritingMode::Vertical,
            invisible: matches!(mode, DrawMode::Invisible),
            stretch: stretch(run),
        };
        self.runs.push((self.glyphs.len(), frame.font));
        for glyph in run.glyphs() {
            self.note(glyph, &frame, props.transform * glyph.transform());
        }
    }

    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {
        self.images += 1;
    }

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}

    fn begin_marked_content(&mut self, tag: &[u8], properties: Option<&Dict<'_>>) {
        let actual = || properties?.get::<PdfString<'_>>(b"ActualText".as_slice());
        let mark = if tag == b"Artifact" && is_furniture(properties) {
            Mark::Furniture
        } else if let Some(text) = actual() {
            Mark::Actual { first: self.glyphs.len(), text: text_string(&text) }
        } else {
            Mark::Plain
        };
        self.marks.push(mark);
    }

    fn end_marked_content(&mut self) {
        let Some(Mark::Actual { first, text }) = self.marks.pop() else {
            return;
        };
        let glyphs = self.glyphs.get_mut(first..).unwrap_or_default();
        // A replacement for a few glyphs of one line; longer ones would lose their places.
        let one_line =
            glyphs.windows(2).all(|pair| matches!(pair, [a, b] if (a.y - b.y).abs() < a.size));
        if !one_line || text.chars().count() > 2 * glyphs.len() + 2 {
            return;
        }
        let Some(text) = clean(text.chars()) else {
            return;
        };
        let mut text = Some(text);
        for glyph in glyphs {
            glyph.text = text.take().unwrap_or_default();
            glyph.origin = Origin::Mapped;
        }
    }
}
