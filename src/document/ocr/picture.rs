//! Draws one page in grey. Runs in the worker process.

use std::io::{self, Write};

use hayro::hayro_interpret::InterpreterSettings;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use hayro_syntax::Pdf;

/// Dots per inch that tesseract is trained for.
pub(super) const DOTS: f32 = 300.0;
/// Dots of a picture, at most: an A3 page has 17 million.
const AREA: f32 = 40e6;
/// Dots of a side, at most.
const SIDE: f32 = 32_000.0;

/// Writes page `number` (from 1) of a PDF file as a portable grey map. Nothing is written where the file
/// or the page is not there.
pub(in super::super) fn write(
    data: Vec<u8>,
    password: &str,
    number: u32,
    output: &mut dyn Write,
) -> io::Result<()> {
    let failed = |why: &str| io::Error::other(why.to_owned());
    let pdf = Pdf::new_with_password(data, password).map_err(|_| failed("cannot open"))?;
    let index = number.checked_sub(1).ok_or_else(|| failed("pages count from 1"))?;
    let page = pdf.pages().get(index as usize).ok_or_else(|| failed("no such page"))?;
    let (width, height) = page.render_dimensions();
    let scale = scale(width, height).ok_or_else(|| failed("the page has no size"))?;
    let settings = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    // Scans of fewer dots are drawn larger; without interpolation their letters get steps.
    let look = RenderSettings { force_image_interpolation: true, ..RenderSettings::default() };
    let picture =
        render(page, &RenderCache::new(), &InterpreterSettings::default(), &look, &settings);
    write!(output, "P5\n{} {}\n255\n", picture.width(), picture.height())?;
    let grey: Vec<u8> = picture.data().iter().map(|dot| grey(dot.r, dot.g, dot.b)).collect();
    output.write_all(&grey)?;
    output.flush()
}

/// Dots a point, so that the picture keeps its limits; none for a page without size.
fn scale(width: f32, height: f32) -> Option<f32> {
    let sized = width.is_finite() && height.is_finite() && width > 0.0 && height > 0.0;
    let scale = (DOTS / 72.0).min((AREA / (width * height)).sqrt()).min(SIDE / width.max(height));
    (sized && width * scale >= 1.0 && height * scale >= 1.0).then_some(scale)
}

/// Luma of ITU-R BT.601.
fn grey(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue);
    (sum >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_limits() {
        let a4 = scale(595.0, 842.0).unwrap();
        assert!((a4 - 300.0 / 72.0).abs() < 1e-6);
        let wall = scale(14_400.0, 14_400.0).unwrap();
        assert!((14_400.0 * wall).powi(2) <= AREA * 1.001);
        assert!(scale(1e5, 300.0).unwrap() * 1e5 <= SIDE * 1.001);
        assert_eq!(scale(1e6, 2.0), None, "less than a dot high");
        assert_eq!(scale(0.0, 10.0), None);
        assert_eq!(scale(f32::NAN, 10.0), None);
        assert_eq!((grey(255, 255, 255), grey(0, 0, 0)), (255, 0));
    }
}
