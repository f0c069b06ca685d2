//! Listing: the rows that fit a query, in its order.

use std::cmp::Ordering;

use super::query::Test;
use super::{Catalog, Chunk, Entry, Line, Pattern, Place, Query, Sort};

/// Rows that fit a query, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Where the rows lie.
    pub places: Vec<Place>,
}

/// Lists the rows that fit. `part` of `parts` equal stretches of the catalog are searched; the
/// stretches of one query, put one after another by [`Listing::join`], are the whole list. Ends
/// early, with what was found so far, once `stop` says so.
pub fn list(
    catalog: &Catalog,
    query: &Query,
    (part, parts): (usize, usize),
    stop: &dyn Fn() -> bool,
) -> Listing {
    let chunks = catalog.chunks.len();
    let (first, last) = (chunks * part / parts, chunks * (part + 1) / parts);
    let mut places = Vec::new();
    for (at, chunk) in catalog.chunks[first..last].iter().enumerate() {
        if stop() {
            break;
        }
        let row = |row| Place::new(first + at, row);
        search(chunk, query, &mut |found| places.push(row(found)));
    }
    Listing { places }
}

/// Tells whether a row fits.
pub fn matches(entry: Entry<'_>, query: &Query) -> bool {
    query.tests.iter().all(|(wanted, test)| fits(entry, test) == *wanted)
}

impl Listing {
    /// Puts stretches of one list together and brings them in order.
    pub fn join(parts: Vec<Self>, catalog: &Catalog, query: &Query) -> Self {
        let mut places = parts.into_iter().flat_map(|part| part.places).collect::<Vec<_>>();
        if query.sort == Sort::Added {
            if query.reversed {
                places.reverse();
            }
            return Self { places };
        }
        let entry = |place: &Place| catalog.at(*place);
        places.sort_by(|a, b| match (entry(a), entry(b)) {
            (Some(a), Some(b)) => order(a, b, query),
            _ => a.cmp(b),
        });
        Self { places }
    }

    /// Lists in one go.
    pub fn of(catalog: &Catalog, query: &Query) -> Self {
        Self::join(vec![list(catalog, query, (0, 1), &|| false)], catalog, query)
    }

    /// Position of a place in the list.
    pub fn position(&self, place: Place, catalog: &Catalog, query: &Query) -> Option<usize> {
        let at = self.lower(place, catalog, query);
        if self.places.get(at) == Some(&place) {
            return Some(at);
        }
        // What the order goes by may have changed since.
        self.places.iter().position(|&listed| listed == place)
    }

    /// Brings the list up to date with one row that changed.
    pub fn update(&mut self, place: Place, catalog: &Catalog, query: &Query) {
        let fits = catalog.at(place).is_some_and(|entry| matches(entry, query));
        let listed = self.position(place, catalog, query);
        match (fits, listed) {
            (true, None) => {
                let at = self.lower(place, catalog, query);
                self.places.insert(at, place);
            }
            (false, Some(at)) => {
                self.places.remove(at);
            }
            // A row that stays keeps its position until the list is made anew: it would be lost from
            // sight if it moved away while it is worked on.
            _ => {}
        }
    }

    /// Where a place is or would be put.
    fn lower(&self, place: Place, catalog: &Catalog, query: &Query) -> usize {
        let Some(wanted) = catalog.at(place) else {
            return self.places.partition_point(|&listed| listed < place);
        };
        self.places.partition_point(|&listed| match catalog.at(listed) {
            Some(entry) => order(entry, wanted, query) == Ordering::Less,
            None => listed < place,
        })
    }
}

/// The order of two rows; rows that are equal in it come as they were added.
fn order(a: Entry<'_>, b: Entry<'_>, query: &Query) -> Ordering {
    let turn = |order: Ordering| if query.reversed { order.reverse() } else { order };
    let added = || a.line.key.cmp(&b.line.key);
    // Rows without a figure come last in both directions.
    let figures = |a: Option<f32>, b: Option<f32>| match (a, b) {
        (Some(a), Some(b)) => turn(a.total_cmp(&b)),
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    match query.sort {
        Sort::Added => turn(added()),
        Sort::Length => turn(a.line.length.cmp(&b.line.length)).then_with(added),
        Sort::Score => figures(a.score().map(f32::from), b.score().map(f32::from)).then_with(added),
        Sort::Loss => figures(a.judged().loss, b.judged().loss).then_with(added),
        Sort::Page => {
            let page = a.document().cmp(b.document()).then(a.line.page.cmp(&b.line.page));
            turn(page).then_with(added)
        }
    }
}

/// Finds the rows of a chunk that fit. Text is searched through the whole chunk at once where the
/// query allows it; that is what makes long lists quick.
fn search(chunk: &Chunk, query: &Query, found: &mut dyn FnMut(usize)) {
    let across = query.tests.iter().position(|(wanted, test)| {
        *wanted && matches!(test, Test::Text(pattern) if pattern.spans_rows())
    });
    let rest = |line: &Line| {
        let entry = Entry { chunk, line };
        !line.gone
            && (query.tests.iter().enumerate())
                .all(|(at, (wanted, test))| Some(at) == across || fits(entry, test) == *wanted)
    };
    match across.and_then(|at| query.tests.get(at)) {
        Some((_, Test::Text(pattern))) if !chunk.disordered => {
            for row in rows_with(chunk, pattern) {
                if rest(&chunk.lines[row]) {
                    found(row);
                }
            }
        }
        _ => {
            for (row, line) in chunk.lines.iter().enumerate() {
                if !line.gone && matches(Entry { chunk, line }, query) {
                    found(row);
                }
            }
        }
    }
}

/// The rows of a chunk whose text holds a pattern, in order.
fn rows_with<'a>(chunk: &'a Chunk, pattern: &'a Pattern) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = pattern.next(&chunk.text, from)?;
            let row = chunk.lines.partition_point(|line| line.end as usize <= at);
            let line = chunk.lines.get(row)?;
            from = line.end as usize;
            // A match may begin in one row's last letters and end in the next row.
            if pattern.is_in(&chunk.text[line.start as usize..line.end as usize]) {
                return Some(row);
            }
            // Then the next row may begin where this match ended; look again from its start.
        }
    })
}

fn fits(entry: Entry<'_>, test: &Test) -> bool {
    let line = entry.line;
    let within = |value: Option<f64>, range: &super::query::Range| {
        value.is_some_and(|value| range.holds(value))
    };
    match test {
        Test::State(state) => line.state == *state,
        Test::Tag(tag) => entry.tags().any(|given| given == tag),
        Test::NoTag => line.tags == 0,
        Test::Document(pattern) => pattern.is_in(entry.document()),
        Test::Author(pattern) => pattern.is_in(entry.author()),
        Test::Kind(kind) => line.kind == *kind,
        Test::Language(language) => line.language == *language,
        Test::Page(range) => within(entry.page().map(f64::from), range),
        Test::Score(range) => within(entry.score().map(f64::from), range),
        Test::Length(range) => range.holds(f64::from(line.length)),
        Test::Loss(range) => within(line.judged.loss.map(f64::from), range),
        Test::Number(range) => range.holds(line.key as f64),
        Test::NoScore => line.score == 0,
        Test::NoLoss => line.judged.loss.is_none(),
        Test::Known(known) => line.judged.known == *known,
        Test::Found(kind) => line.judged.found.contains(*kind),
        Test::FoundAny => !line.judged.found.is_empty(),
        Test::Passage(passage) => line.passage == *passage,
        Test::Text(pattern) => pattern.is_in(entry.text()),
    }
}
