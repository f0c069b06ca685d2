//! Working through what the checks found, and through what a base model makes of the pairs.

use super::Curate;
use crate::app::look::Look;
use crate::app::overlays::{Choice, Choosing, Overlay};
use crate::app::reply::Reply;
use crate::app::strings::{common, screen as texts};
use crate::app::{Effect, format};
use crate::job::JobSpec;
use crate::pair::catalog::Field;
use crate::pair::checks::{Finding, Kind};
use crate::project::ExampleId;

/// Value of the choice that checks anew.
const AGAIN: &str = "*";

impl Curate {
    /// Offers what was found, by kind; checks first where that was not done yet.
    pub(super) fn choose_check(look: &Look, reply: &mut Reply) {
        let Some(checked) = look.data.findings.checked() else {
            Self::start_check(look, reply);
            return;
        };
        let mut counts = [0usize; Kind::ALL.len()];
        let mut any = 0usize;
        for (_, entry) in look.data.catalog.iter() {
            let found = entry.judged().found;
            any += usize::from(!found.is_empty());
            for (count, kind) in counts.iter_mut().zip(Kind::ALL) {
                *count += usize::from(found.contains(kind));
            }
        }
        let pairs = |count: usize| look.fill(texts::PAIRS_COUNTED, &[&format::count(count as u64)]);
        let of_all = look.fill(texts::CHECK_OF, &[&pairs(any), &format::count(checked as u64)]);
        let mut options = vec![(Self::any(look).to_owned(), of_all)];
        for (count, kind) in counts.into_iter().zip(Kind::ALL).filter(|(count, _)| *count > 0) {
            let words = format!("{}  {}", pairs(count), look.t(explained(kind)));
            options.push((kind.title(look.language).to_owned(), words));
        }
        options.push((AGAIN.to_owned(), look.t(texts::CHECK_AGAIN).to_owned()));
        reply.overlay = Some(Overlay::Choice(Choice::new(Choosing::Check, options, None)));
    }

    /// Lists the pairs with findings of the kind that was chosen.
    pub fn take_check(&mut self, kind: &str, look: &Look, reply: &mut Reply) {
        if kind == AGAIN {
            Self::start_check(look, reply);
        } else {
            self.put_field(Field::Check, Some(kind), look);
        }
    }

    fn start_check(look: &Look, reply: &mut Reply) {
        reply.start = Some(JobSpec::Check { model: look.model().map(str::to_owned) });
    }

    /// The check is done: offers what it found where the user waits for it.
    pub fn checked(&self, free: bool, look: &Look, reply: &mut Reply) {
        let some = look.data.catalog.iter().any(|(_, entry)| !entry.judged().found.is_empty());
        if !some {
            let checked = look.data.findings.checked().unwrap_or_default();
            reply.tell(look.fill(texts::CHECK_NOTHING, &[&format::count(checked as u64)]));
        } else if free && self.editing.is_none() && !self.searching {
            Self::choose_check(look, reply);
        } else {
            reply.tell(look.t(texts::CHECK_DONE));
        }
    }

    /// What is to be told about the selected pair.
    pub(super) fn findings(&self, look: &Look) -> Vec<Finding> {
        let Some(stored) = self.current(look) else { return Vec::new() };
        let page = || {
            let record = stored.passage.and_then(|passage| look.data.passage(passage));
            record.map(|record| record.passage.in_full())
        };
        look.data.findings.told(stored, page)
    }

    /// Judges what was found about the pairs to be no problem: the kind that is listed, or all of it.
    pub(super) fn dismiss(&mut self, look: &Look, reply: &mut Reply) {
        let listed = Kind::ALL.into_iter().find(|kind| self.query.wants_finding(*kind));
        let targets = self.targets(look);
        let dismissals: Vec<_> =
            targets.iter().flat_map(|pair| look.data.findings.dismissals(*pair, listed)).collect();
        if dismissals.is_empty() {
            let words = match look.data.findings.checked() {
                None => texts::CHECK_FIRST,
                Some(_) => texts::NOTHING_TO_DISMISS,
            };
            reply.tell(look.t(words));
            return;
        }
        let summary = look.fill(texts::DONE_DISMISSED, &[&targets.len()]);
        reply.tell(format!("{summary} {} {}", look.symbols.dot, look.t(common::UNDO_HINT)));
        let last = targets.last().copied();
        reply.effect(Effect::Dismiss(dismissals, summary));
        if self.marked.is_empty() && last.map(ExampleId) == self.selected {
            self.move_on_plainly(look);
        }
        self.marked.clear();
    }

    /// Has the base model measure the pairs: the loss of each, or whether it knows the answer.
    pub(super) fn measure(known: bool, look: &Look, reply: &mut Reply) {
        if let Some(model) = look.model() {
            let model = model.to_owned();
            reply.start = Some(JobSpec::Measure { model, loss: !known, known, limit: None });
        }
    }

    fn any(look: &Look) -> &'static str {
        match look.language {
            crate::pair::Language::Korean => "모두",
            crate::pair::Language::English => "any",
        }
    }
}

fn explained(kind: Kind) -> crate::app::strings::Text {
    match kind {
        Kind::Structure => texts::CHECK_STRUCTURE,
        Kind::Empty => texts::CHECK_EMPTY,
        Kind::TooLong => texts::CHECK_TOO_LONG,
        Kind::QuoteNotFound => texts::CHECK_QUOTE,
        Kind::NumberNotInQuote => texts::CHECK_NUMBER,
        Kind::WrongLanguage => texts::CHECK_LANGUAGE,
        Kind::Refusal => texts::CHECK_REFUSAL,
        Kind::PersonalData => texts::CHECK_PERSONAL,
        Kind::ExactDuplicate => texts::CHECK_EXACT,
        Kind::NearDuplicate => texts::CHECK_NEAR,
        Kind::Leak => texts::CHECK_LEAK,
    }
}
