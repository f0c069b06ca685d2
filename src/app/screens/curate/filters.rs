//! Saved filters and the order of the list, both as parts of the search line.

use super::{Curate, LIST};
use crate::app::look::Look;
use crate::app::overlays::{Asking, Choice, Choosing, Overlay, Prompt};
use crate::app::reply::Reply;
use crate::app::snapshot::SavedFilter;
use crate::app::strings::screen as texts;
use crate::pair::Language;
use crate::pair::catalog::{Field, Sort};
use crate::text::nfc;

impl Curate {
    /// Offers the saved filters.
    pub(super) fn choose_filter(&self, look: &Look, reply: &mut Reply) {
        let saved = &look.settings.filters;
        if saved.is_empty() {
            reply.tell(look.t(texts::NO_FILTERS));
            return;
        }
        let options = saved.iter().map(|filter| (filter.name.clone(), filter.query.clone()));
        let now = self.search.text();
        let current = saved.iter().find(|filter| filter.query == now);
        let current = current.map(|filter| filter.name.as_str());
        let choice = Choice::new(Choosing::Filter, options.collect(), current);
        reply.overlay = Some(Overlay::Choice(choice));
    }

    /// Takes a saved filter by its name.
    pub fn take_filter(&mut self, name: &str, look: &Look) {
        let saved = look.settings.filters.iter().find(|filter| filter.name == name);
        if let Some(filter) = saved {
            self.search_for(&filter.query.clone(), look);
        }
    }

    /// Asks for a name to keep the search line under.
    pub(super) fn ask_filter_name(&self, look: &Look, reply: &mut Reply) {
        if self.search.text().trim().is_empty() {
            reply.tell(look.t(texts::NOTHING_TO_KEEP));
        } else {
            reply.overlay = Some(Overlay::Prompt(Prompt::new(Asking::FilterName, "")));
        }
    }

    /// Keeps the search line under a name; a filter of that name is replaced.
    pub fn keep_filter(&mut self, name: &str, look: &Look, reply: &mut Reply) {
        let (name, query) = (nfc(name.trim()).into_owned(), self.search.text().trim().to_owned());
        let mut settings = look.settings.clone();
        settings.filters.retain(|filter| filter.name != name);
        settings.filters.push(SavedFilter { name: name.clone(), query });
        reply.settings = Some(Box::new(settings));
        reply.tell(look.fill(texts::FILTER_KEPT, &[&name]));
        self.searching = false;
    }

    /// Takes a saved filter away.
    pub fn drop_filter(name: &str, look: &Look, reply: &mut Reply) {
        let mut settings = look.settings.clone();
        settings.filters.retain(|filter| filter.name != name);
        reply.settings = Some(Box::new(settings));
        reply.tell(look.fill(texts::FILTER_DROPPED, &[&name]));
    }

    /// Offers the orders of the list.
    pub(super) fn choose_order(&self, look: &Look, reply: &mut Reply) {
        let remark = |sort: Sort| match sort {
            Sort::Added => texts::SORT_ADDED,
            Sort::Length => texts::SORT_LENGTH,
            Sort::Score => texts::SORT_SCORE,
            Sort::Loss => texts::SORT_LOSS,
            Sort::Page => texts::SORT_PAGE,
        };
        let options = Sort::ALL.into_iter().flat_map(|sort| {
            let name = Self::sort_name(sort, look);
            let words = look.t(remark(sort));
            [
                (name.to_owned(), format!("{words} {}", look.symbols.better)),
                (format!("-{name}"), format!("{words} {}", look.symbols.worse)),
            ]
        });
        let mark = if self.query.reversed { "-" } else { "" };
        let current = format!("{mark}{}", Self::sort_name(self.query.sort, look));
        let choice = Choice::new(Choosing::Order, options.collect(), Some(&current));
        reply.overlay = Some(Overlay::Choice(choice));
    }

    fn sort_name(sort: Sort, look: &Look) -> &'static str {
        let (english, korean) = sort.names();
        match look.language {
            Language::Korean => korean,
            Language::English => english,
        }
    }

    /// Puts an order into the search line in place of the one there.
    pub fn take_order(&mut self, order: &str, look: &Look) {
        let plain = Self::sort_name(Sort::Added, look);
        self.put_field(Field::Sort, Some(order).filter(|order| *order != plain), look);
    }

    /// Puts a field into the search line in place of the one there, or takes it away.
    pub(super) fn put_field(&mut self, field: Field, value: Option<&str>, look: &Look) {
        let (english, korean) = field.names();
        let is_same = |word: &str| {
            let name = word.split_once(':').map(|(name, _)| name.trim_start_matches('-'));
            name == Some(english) || name == Some(korean)
        };
        let rest: Vec<&str> = self.search.text().split(' ').filter(|word| !is_same(word)).collect();
        let mut text = rest.join(" ").trim().to_owned();
        if let Some(value) = value {
            let name = match look.language {
                Language::Korean => korean,
                Language::English => english,
            };
            let before = std::mem::take(&mut text);
            text.push_str(format!("{before} {name}:{value}").trim());
        }
        self.search_for(&text, look);
    }

    fn search_for(&mut self, text: &str, look: &Look) {
        self.search.set(text);
        (self.alone, self.focus) = (None, LIST);
        self.refresh(look);
    }
}
