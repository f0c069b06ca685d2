//! How the run learned: its loss by step, and what it learned from.

use std::fmt::Write as _;

use super::escape::escape;
use super::verdict::grouped;
use super::{View, heading};

/// Points of a curve that are drawn at most; more would not be seen.
const POINTS: usize = 400;

pub(super) fn write(page: &mut String, view: &View<'_>) {
    let Some(training) = &view.evaluation.training else { return };
    let (words, own) = (view.words, view.page);
    if training.losses.len() > 1 || training.held_out.len() > 1 {
        page.push_str("<section class=\"chart\">");
        heading(page, own.training, "");
        let _ = write!(
            page,
            "<p class=\"key\"><span><i class=\"k line raw\"></i>{}</span><span><i class=\"k line held\"></i>{}</span><span>{}</span></p>",
            own.loss_trained, own.loss_held_out, words.nats
        );
        curve(page, own.step, &training.losses, &training.held_out);
        page.push_str("</section>\n");
    }
    let parts = &training.composition;
    if !parts.is_empty() {
        let all: u64 = parts.iter().map(|part| part.tokens).sum();
        page.push_str("<section>");
        heading(page, own.composition, "");
        let _ = write!(
            page,
            "<table class=\"parts\"><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">{}</th>\
             <th scope=\"col\" class=\"n\">{}</th><th scope=\"col\" class=\"n\">{}</th><th class=\"bar\"></th></tr></thead><tbody>",
            own.part, own.rows, words.tokens, own.share
        );
        for part in parts {
            let share = 100.0 * part.tokens as f64 / all.max(1) as f64;
            let _ = write!(
                page,
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{share:.1} %</td>\
                 <td class=\"bar\"><svg width=\"100%\" height=\"10\" aria-hidden=\"true\"><rect class=\"tuned\" height=\"10\" width=\"{share:.1}%\"/></svg></td></tr>",
                escape(&part.name),
                grouped(part.rows),
                grouped(part.tokens)
            );
        }
        page.push_str("</tbody></table></section>\n");
    }
}

/// At most [`POINTS`] points, each the mean of as many neighbours.
fn thinned(points: &[(u32, f64)]) -> Vec<(f64, f64)> {
    let each = points.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[(u32, f64)]| {
        let n = chunk.len().max(1) as f64;
        let (steps, values) = chunk.iter().fold((0.0, 0.0), |(steps, values), (step, value)| {
            (steps + f64::from(*step), values + value)
        });
        (steps / n, values / n)
    };
    points.chunks(each).map(mean).collect()
}

fn curve(page: &mut String, step: &str, losses: &[(u32, f64)], held_out: &[(u32, f64)]) {
    let finite = |points: &[(u32, f64)]| -> Vec<(u32, f64)> {
        points.iter().copied().filter(|(_, value)| value.is_finite()).collect()
    };
    let (losses, held_out) = (thinned(&finite(losses)), thinned(&finite(held_out)));
    let points = || losses.iter().chain(&held_out);
    let last = points().map(|(step, _)| *step).fold(1.0, f64::max);
    let highest = points().map(|(_, value)| *value).fold(0.0, f64::max);
    let tick = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
        .into_iter()
        .find(|tick| highest / tick <= 6.0)
        .unwrap_or(10.0);
    let top = ((highest / tick).ceil() * tick).max(tick);
    let count = (top / tick).round() as usize;
    let (mut labels, mut lines) = (String::new(), String::new());
    for at in 0..=count {
        let value = at as f64 * tick;
        let y = 100.0 * (1.0 - value / top);
        let digits = if tick < 0.1 { 2 } else { 1 };
        let _ = write!(
            labels,
            "<text x=\"100%\" y=\"{y:.2}%\" dy=\"4\" text-anchor=\"end\">{value:.digits$}</text>"
        );
        let class = if at == 0 { "zero" } else { "grid" };
        let _ = write!(
            lines,
            "<line class=\"{class}\" x1=\"0\" x2=\"100%\" y1=\"{y:.2}%\" y2=\"{y:.2}%\"/>"
        );
    }
    let path = |points: &[(f64, f64)]| {
        let place = |(step, value): &(f64, f64)| {
            format!("{:.2},{:.2}", 1000.0 * step / last, 1000.0 * (1.0 - value / top))
        };
        points.iter().map(place).collect::<Vec<_>>().join(" ")
    };
    let mut drawing = lines;
    let _ = write!(
        drawing,
        "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" width=\"100%\" height=\"100%\" overflow=\"visible\">\
         <polyline class=\"raw\" points=\"{}\"/><polyline class=\"held\" points=\"{}\"/></svg>",
        path(&losses),
        path(&held_out)
    );
    for (step, value) in &held_out {
        let _ = write!(
            drawing,
            "<circle class=\"held\" cx=\"{:.2}%\" cy=\"{:.2}%\" r=\"3\"><title>{value:.3}</title></circle>",
            100.0 * step / last,
            100.0 * (1.0 - value / top)
        );
    }
    let _ = write!(
        page,
        "<div class=\"curve\"><svg class=\"plot\" width=\"100%\" height=\"200\" aria-hidden=\"true\">{labels}</svg>\
         <svg class=\"plot\" width=\"100%\" height=\"200\" aria-hidden=\"true\">{drawing}</svg>\
         <span></span><p class=\"steps\"><span>0</span><span>{step} {last:.0}</span></p></div>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_are_thinned_and_keep_their_mean() {
        let points: Vec<(u32, f64)> = (0..10_000).map(|step| (step, 2.0)).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS);
        assert!(thin.iter().all(|(_, value)| (*value - 2.0).abs() < 1e-9));
        assert_eq!(thinned(&points[..3]).len(), 3);
    }

    #[test]
    fn figures_that_are_none_do_not_reach_the_page() {
        let mut page = String::new();
        curve(&mut page, "step", &[(1, f64::NAN), (2, 1.0), (3, f64::INFINITY)], &[]);
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }
}
