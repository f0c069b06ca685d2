//! The items of a suite, and both answers of one with the words that differ.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Evaluate;
use crate::app::look::Look;
use crate::app::screens::empty;
use crate::app::strings::{self, Text, screen as texts};
use crate::app::theme;
use crate::app::widgets::columns::{columns, draw_column, inside};
use crate::app::widgets::{Column, Rich, diff};
use crate::evaluate::{ANY_CALL, Answer, Form, ItemResult, Metric, NO_CALL, SuiteResult};
use crate::pair::Language;
use crate::text::{hangul, truncate};

const WEIGHTS: [u16; 2] = [32, 72];
/// From this width on, the answers stand side by side.
const SIDE_BY_SIDE_FROM: usize = 56;

/// How both models did on an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Only the tuned model is right.
    Improved,
    /// Only the base is right.
    Regressed,
    /// Both are right.
    BothRight,
    /// Both are wrong.
    BothWrong,
    /// Right; there is no tuned model.
    Right,
    /// Wrong; there is no tuned model.
    Wrong,
}

impl Standing {
    /// Whether the models disagree.
    pub(super) fn differs(self) -> bool {
        matches!(self, Self::Improved | Self::Regressed)
    }
}

/// How both models did on an item, by its most telling verdict.
pub(super) fn standing(item: &ItemResult) -> Standing {
    match (is_right(&item.base), item.tuned.as_ref().map(is_right)) {
        (false, Some(true)) => Standing::Improved,
        (true, Some(false)) => Standing::Regressed,
        (true, Some(true)) => Standing::BothRight,
        (false, Some(false)) => Standing::BothWrong,
        (true, None) => Standing::Right,
        (false, None) => Standing::Wrong,
    }
}

/// Whether an answer is right as a whole: the most demanding metric that applies, read strictly if
/// that was scored.
fn is_right(answer: &Answer) -> bool {
    use Metric as M;
    let order = [M::Parameters, M::NoCall, M::Accuracy, M::ToolName, M::JsonValidity];
    let of = |metric: Metric, form: Form| {
        answer.verdicts.iter().find(|verdict| verdict.metric == metric && verdict.form == form)
    };
    let verdict = order
        .into_iter()
        .find_map(|metric| of(metric, Form::Strict).or_else(|| of(metric, Form::Lenient)));
    verdict.is_some_and(|verdict| verdict.right)
}

/// The text that a pair of this item's question would teach: what is expected, or where that is no text
/// (no call, any call) what was answered rightly.
pub(super) fn text_to_teach(item: &ItemResult) -> Option<&str> {
    if !matches!(item.expected.as_str(), NO_CALL | ANY_CALL) {
        return Some(&item.expected);
    }
    let answers = item.tuned.iter().chain([&item.base]);
    answers.filter(|answer| is_right(answer)).map(|answer| answer.text.as_str()).next()
}

/// Whether an item's question, expected answer or one of its answers holds a text; Korean initial
/// consonants find syllables.
pub(super) fn holds(item: &ItemResult, wanted: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let mut answers =
        [Some(&item.base), item.tuned.as_ref()].into_iter().flatten().chain(&item.others);
    // Reasons are found by what the screen says in either language.
    let is_reason = |answer: &Answer| {
        answer.reason.as_ref().is_some_and(|why| {
            let said = |language| hangul::contains(&strings::reason(why, language), wanted);
            said(Language::Korean) || said(Language::English)
        })
    };
    let said = |answer: &Answer| hangul::contains(&answer.text, wanted) || is_reason(answer);
    let expected = [Language::Korean, Language::English]
        .map(|language| strings::expected(&item.expected, language));
    let tags = item.tags.iter().map(String::as_str);
    [item.id.as_str(), &item.question]
        .into_iter()
        .chain(expected)
        .chain(tags)
        .any(|text| hangul::contains(text, wanted))
        || answers.any(said)
}

/// Which items are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Filter {
    #[default]
    All,
    Improved,
    Regressed,
    BothWrong,
}

impl Filter {
    pub(super) fn next(self) -> Self {
        match self {
            Self::All => Self::Improved,
            Self::Improved => Self::Regressed,
            Self::Regressed => Self::BothWrong,
            Self::BothWrong => Self::All,
        }
    }

    pub(super) fn fits(self, standing: Standing) -> bool {
        match self {
            Self::All => true,
            Self::Improved => standing == Standing::Improved,
            Self::Regressed => standing == Standing::Regressed,
            Self::BothWrong => matches!(standing, Standing::BothWrong | Standing::Wrong),
        }
    }

    fn name(self) -> Text {
        match self {
            Self::All => texts::ITEMS_ALL,
            Self::Improved => texts::ITEMS_IMPROVED,
            Self::Regressed => texts::ITEMS_REGRESSED,
            Self::BothWrong => texts::ITEMS_WRONG,
        }
    }
}

impl Evaluate {
    pub(super) fn draw_items(
        &self,
        frame: &mut Frame,
        area: Rect,
        suite: &SuiteResult,
        look: &Look,
    ) {
        for column in columns(area, &WEIGHTS, self.focus) {
            if column.index == 0 {
                self.draw_list(frame, column, suite, look);
            } else {
                self.draw_item(frame, column, look);
            }
        }
    }

    fn draw_list(&self, frame: &mut Frame, column: Column, suite: &SuiteResult, look: &Look) {
        let title = match look.language {
            Language::Korean => &suite.title.ko,
            Language::English => &suite.title.en,
        };
        let mut note = format!("{} {}", look.t(self.filter.name()), self.shown.len());
        if !self.wanted.is_empty() {
            note = format!("/{} {note}", self.wanted);
        }
        let inner = draw_column(frame, column, self.focus, title, &note, look);
        if self.shown.is_empty() {
            empty(frame, inner, texts::NO_ITEMS, &[], look);
            return;
        }
        let focus = (0, self.focus == 0);
        self.items.draw(frame, inner, self.shown.len(), focus, look, |row, room| {
            let Some(item) = self.shown.get(row).and_then(|&at| suite.items.get(at)) else {
                return Line::default();
            };
            let (mark, style) = mark(standing(item), look);
            let question = item.question.lines().next().unwrap_or_default();
            let question = truncate(question, room.saturating_sub(2), look.symbols.ellipsis);
            let words = question.into_owned();
            Line::from(vec![Span::styled(format!("{mark} "), style), Span::raw(words)])
        });
    }

    fn draw_item(&self, frame: &mut Frame, column: Column, look: &Look) {
        let Some(item) = self.item(look) else {
            draw_column(frame, column, self.focus, look.t(texts::ITEM), "", look);
            return;
        };
        let words = look.t(standing_name(standing(item)));
        let inner = inside(draw_column(frame, column, self.focus, &item.id, words, look));
        let cells = usize::from(inner.width.saturating_sub(1));
        let mut lines = Vec::new();
        let mut part = |label: Text, text: &str| {
            let mut rich = Rich::default();
            rich.push(look.t(label), theme::DIM).line().push(text, theme::PLAIN).line();
            lines.extend(rich.lines(cells));
        };
        part(texts::QUESTION, &item.question);
        part(texts::EXPECTED, strings::expected(&item.expected, look.language));
        lines.extend(answers(item, cells, look));
        if let Some(evaluation) = self.evaluation(look) {
            for (column, answer) in evaluation.others.iter().zip(&item.others) {
                lines.push(Line::default());
                let text = Rich::plain(&answer.text);
                lines.extend(answer_lines(&column.name, answer, &text, cells, look));
            }
        }
        if !item.tags.is_empty() {
            let tags = format!("{} {}", look.t(texts::TAGS), item.tags.join(", "));
            lines.push(Line::default());
            lines.push(Line::styled(tags, theme::DIM));
        }
        self.scroll.draw(frame, inner, &lines, look);
    }
}

/// Both answers, side by side where there is room, with the words that only one has marked.
fn answers(item: &ItemResult, cells: usize, look: &Look) -> Vec<Line<'static>> {
    let Some(tuned) = &item.tuned else {
        return one_answer(texts::BASE, &item.base, &Rich::plain(&item.base.text), cells, look);
    };
    let (left, right) = diff::sides(&item.base.text, &tuned.text);
    if cells < SIDE_BY_SIDE_FROM {
        let mut lines = one_answer(texts::BASE, &item.base, &left, cells, look);
        lines.push(Line::default());
        lines.extend(one_answer(texts::TUNED, tuned, &right, cells, look));
        return lines;
    }
    let half = (cells - 3) / 2;
    let left = one_answer(texts::BASE, &item.base, &left, half, look);
    let right = one_answer(texts::TUNED, tuned, &right, half, look);
    let rows = left.len().max(right.len());
    let side = |lines: &[Line<'static>], row: usize| lines.get(row).cloned().unwrap_or_default();
    let joined = (0..rows).map(|row| {
        let mut line = side(&left, row);
        let gap = half.saturating_sub(line.width());
        line.spans.push(Span::raw(" ".repeat(gap)));
        line.spans.push(Span::styled(format!(" {} ", look.symbols.column), theme::DIM));
        line.spans.extend(side(&right, row).spans);
        line
    });
    joined.collect()
}

fn one_answer(
    label: Text,
    answer: &Answer,
    text: &Rich,
    cells: usize,
    look: &Look,
) -> Vec<Line<'static>> {
    answer_lines(look.t(label), answer, text, cells, look)
}

/// An answer under its label and mark: the text and why it is wrong, the argument it is about in bold.
fn answer_lines(
    label: &str,
    answer: &Answer,
    text: &Rich,
    cells: usize,
    look: &Look,
) -> Vec<Line<'static>> {
    let right = is_right(answer);
    let (mark, style) =
        if right { (look.symbols.yes, theme::BETTER) } else { (look.symbols.no, theme::WORSE) };
    let mut rich = Rich::default();
    rich.push(label, theme::BOLD).push(&format!(" {mark}"), style).line();
    if text.is_empty() {
        rich.push(look.t(texts::NO_ANSWER), theme::DIM);
    } else {
        rich.append(text);
    }
    if let Some(reason) = &answer.reason {
        let reason = strings::reason(reason, look.language);
        rich.line().line();
        let named = answer.argument.as_deref().and_then(|argument| reason.split_once(argument));
        match (named, &answer.argument) {
            (Some((before, after)), Some(argument)) => {
                rich.push(before, theme::DIM).push(argument, theme::WORSE.patch(theme::BOLD));
                rich.push(after, theme::DIM);
            }
            _ => {
                rich.push(&reason, theme::DIM);
            }
        }
    }
    rich.lines(cells)
}

fn mark(standing: Standing, look: &Look) -> (&'static str, Style) {
    let symbols = look.symbols;
    match standing {
        Standing::Improved => (symbols.better, theme::BETTER),
        Standing::Regressed => (symbols.worse, theme::WORSE),
        Standing::BothRight | Standing::Right => (symbols.yes, theme::DIM),
        Standing::BothWrong | Standing::Wrong => (symbols.no, theme::DIM),
    }
}

fn standing_name(standing: Standing) -> Text {
    match standing {
        Standing::Improved => texts::STANDING_IMPROVED,
        Standing::Regressed => texts::STANDING_REGRESSED,
        Standing::BothRight => texts::STANDING_BOTH_RIGHT,
        Standing::BothWrong => texts::STANDING_BOTH_WRONG,
        Standing::Right => texts::STANDING_RIGHT,
        Standing::Wrong => texts::STANDING_WRONG,
    }
}
