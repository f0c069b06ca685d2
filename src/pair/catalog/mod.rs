//! All pairs of a project in little memory: what lists, filters, searches and figures need of each.
//!
//! Rows lie in chunks that are shared until one of them changes, so that a search can run over a
//! copy while the user goes on editing. A row keeps its place while it exists; a removed row leaves
//! a gap that its return fills again.

mod digest;
mod list;
mod pattern;
mod query;

use std::fmt;
use std::sync::Arc;

pub use digest::Digest;
pub use list::{Listing, list, matches};
pub use pattern::Pattern;
pub use query::{Field, Query, Sort};

use super::checks::Kinds;
use super::{Kind, Knowledge, Language, ReviewState};

/// Rows that a chunk is filled with.
const CHUNK_ROWS: usize = 4096;

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(u32);

impl Place {
    fn new(chunk: usize, row: usize) -> Self {
        Self((chunk as u32) << 16 | row as u32)
    }

    fn chunk(self) -> usize {
        (self.0 >> 16) as usize
    }

    fn row(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

/// What was found out about a row beside what it says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Judged {
    /// Mean loss of the answer's tokens under the base model in nats, if measured.
    pub loss: Option<f32>,
    /// Whether the base model knows the answer, if measured.
    pub known: Option<Knowledge>,
    /// Kinds of what the checks found.
    pub found: Kinds,
}

/// What is known of one row without its text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    key: i64,
    /// Key of the passage it is about; 0 for none.
    passage: i64,
    judged: Judged,
    /// Estimated tokens of all turns.
    length: u32,
    /// Page, from 1; 0 for none.
    page: u32,
    /// Names of the chunk: document, author and tags; 0 for none.
    document: u16,
    author: u16,
    tags: u16,
    state: ReviewState,
    kind: Kind,
    language: Language,
    /// 1 to 5; 0 for none.
    score: u8,
    /// Removed; its place waits for its return.
    gone: bool,
    /// Text: question, answer and other turns, in bytes of the chunk's text.
    start: u32,
    question_end: u32,
    end: u32,
}

/// Some thousand rows.
#[derive(Clone, PartialEq, Default)]
struct Chunk {
    /// Ascending by key, gaps included.
    lines: Vec<Line>,
    text: String,
    /// Documents, authors and tag lists by number; the first is empty.
    names: Vec<String>,
    /// Bytes of `text` that no row refers to any more.
    waste: usize,
    /// The texts no longer lie in the order of the rows.
    disordered: bool,
}

/// One row as lists show it.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    chunk: &'a Chunk,
    line: &'a Line,
}

/// All rows.
#[derive(Clone, Default, PartialEq)]
pub struct Catalog {
    chunks: Vec<Arc<Chunk>>,
    rows: usize,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalog({} rows)", self.rows)
    }
}

impl Catalog {
    /// Rows in all.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The largest key there ever was; 0 for none.
    pub fn last_key(&self) -> i64 {
        self.chunks.last().and_then(|chunk| chunk.lines.last()).map_or(0, |line| line.key)
    }

    /// Adds a row after all others, or puts it in place of the one with its key. Answers whether
    /// places of other rows moved, which happens only when a row comes back that was removed before
    /// the catalog was read.
    pub fn put(&mut self, digest: &Digest) -> bool {
        if digest.key > self.last_key() {
            let full = self.chunks.last().is_none_or(|chunk| chunk.lines.len() >= CHUNK_ROWS);
            if full {
                self.chunks.push(Arc::default());
            }
            if let Some(last) = self.chunks.last_mut() {
                let chunk = Arc::make_mut(last);
                let line = chunk.add(digest);
                chunk.lines.push(line);
            }
            self.rows += 1;
            return false;
        }
        let at = self.chunk_of(digest.key);
        let Some(shared) = self.chunks.get_mut(at) else { return false };
        let chunk = Arc::make_mut(shared);
        let new = chunk.add(digest);
        match chunk.lines.binary_search_by_key(&digest.key, |line| line.key) {
            Ok(row) => {
                let old = std::mem::replace(&mut chunk.lines[row], new);
                // What was found out holds as long as the row says the same.
                let says = |line: &Line| &chunk.text[line.start as usize..line.end as usize];
                if says(&old) == says(&new) {
                    chunk.lines[row].judged = old.judged;
                }
                chunk.waste += (old.end - old.start) as usize;
                chunk.disordered = true;
                self.rows += usize::from(old.gone);
                chunk.tidy();
                false
            }
            Err(row) => {
                chunk.lines.insert(row, new);
                chunk.disordered = true;
                self.rows += 1;
                true
            }
        }
    }

    /// Whether the row of a digest's key says what the digest says.
    pub fn says(&self, digest: &Digest) -> bool {
        self.get(digest.key).is_some_and(|entry| entry.text() == digest.text)
    }

    /// Removes a row; its place stays free for it.
    pub fn remove(&mut self, key: i64) {
        let Some(place) = self.find(key) else { return };
        let chunk = Arc::make_mut(&mut self.chunks[place.chunk()]);
        chunk.lines[place.row()].gone = true;
        self.rows -= 1;
    }

    /// Notes what was measured and found about a row.
    pub fn set_judged(&mut self, key: i64, judged: Judged) {
        let Some(place) = self.find(key) else { return };
        if self.chunks[place.chunk()].lines[place.row()].judged != judged {
            let chunk = Arc::make_mut(&mut self.chunks[place.chunk()]);
            chunk.lines[place.row()].judged = judged;
        }
    }

    /// The place of the row with a key.
    pub fn find(&self, key: i64) -> Option<Place> {
        let at = self.chunk_of(key);
        let chunk = self.chunks.get(at)?;
        let row = chunk.lines.binary_search_by_key(&key, |line| line.key).ok()?;
        (!chunk.lines[row].gone).then(|| Place::new(at, row))
    }

    /// The row at a place.
    pub fn at(&self, place: Place) -> Option<Entry<'_>> {
        let chunk = self.chunks.get(place.chunk())?;
        let line = chunk.lines.get(place.row()).filter(|line| !line.gone)?;
        Some(Entry { chunk, line })
    }

    /// The row with a key.
    pub fn get(&self, key: i64) -> Option<Entry<'_>> {
        self.at(self.find(key)?)
    }

    /// Every row with its place, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Place, Entry<'_>)> {
        self.chunks.iter().enumerate().flat_map(|(at, chunk)| {
            let rows = chunk.lines.iter().enumerate().filter(|(_, line)| !line.gone);
            rows.map(move |(row, line)| (Place::new(at, row), Entry { chunk, line }))
        })
    }

    /// Puts the chunks of another catalog, whose keys are all larger, after these.
    pub fn append(&mut self, other: Self) {
        self.rows += other.rows;
        self.chunks.extend(other.chunks);
    }

    /// Bytes that the rows take.
    pub fn bytes(&self) -> usize {
        let chunk =
            |chunk: &Arc<Chunk>| chunk.lines.capacity() * size_of::<Line>() + chunk.text.capacity();
        self.chunks.iter().map(chunk).sum()
    }

    /// Number of the chunk that a key belongs in.
    fn chunk_of(&self, key: i64) -> usize {
        let first = |chunk: &Arc<Chunk>| chunk.lines.first().map_or(i64::MIN, |line| line.key);
        self.chunks.partition_point(|chunk| first(chunk) <= key).saturating_sub(1)
    }
}

impl Chunk {
    /// Takes in a row's text and names and makes its line.
    fn add(&mut self, digest: &Digest) -> Line {
        let start = self.text.len() as u32;
        self.text.push_str(&digest.text);
        Line {
            key: digest.key,
            passage: digest.passage.unwrap_or(0),
            judged: Judged::default(),
            length: digest.length,
            page: digest.page,
            document: self.name(&digest.document),
            author: self.name(&digest.author),
            tags: self.name(&digest.tags),
            state: digest.state,
            kind: digest.kind,
            language: digest.language,
            score: digest.score,
            gone: false,
            start,
            question_end: start + digest.question as u32,
            end: self.text.len() as u32,
        }
    }

    /// Number of a name; names beyond the numbers there are become nameless.
    fn name(&mut self, name: &str) -> u16 {
        if self.names.is_empty() {
            self.names.push(String::new());
        }
        if let Some(at) = self.names.iter().rposition(|known| known == name) {
            return at as u16;
        }
        if self.names.len() > usize::from(u16::MAX) {
            return 0;
        }
        self.names.push(name.to_owned());
        (self.names.len() - 1) as u16
    }

    fn named(&self, number: u16) -> &str {
        self.names.get(usize::from(number)).map_or("", String::as_str)
    }

    /// Writes the text anew once more of it is waste than not.
    fn tidy(&mut self) {
        if self.waste * 2 <= self.text.len() {
            return;
        }
        let mut text = String::with_capacity(self.text.len() - self.waste);
        for line in &mut self.lines {
            let (start, question) = (text.len() as u32, line.question_end - line.start);
            text.push_str(&self.text[line.start as usize..line.end as usize]);
            (line.start, line.question_end) = (start, start + question);
            line.end = text.len() as u32;
        }
        (self.text, self.waste, self.disordered) = (text, 0, false);
    }
}

impl<'a> Entry<'a> {
    /// Key in the store.
    pub fn key(self) -> i64 {
        self.line.key
    }

    /// Key of the passage it is about.
    pub fn passage(self) -> Option<i64> {
        (self.line.passage != 0).then_some(self.line.passage)
    }

    /// Review state.
    pub fn state(self) -> ReviewState {
        self.line.state
    }

    /// What it teaches, by its form.
    pub fn kind(self) -> Kind {
        self.line.kind
    }

    /// Language of the conversation.
    pub fn language(self) -> Language {
        self.line.language
    }

    /// Score given by a person, 1 to 5.
    pub fn score(self) -> Option<u8> {
        (self.line.score > 0).then_some(self.line.score)
    }

    /// Estimated tokens of all turns.
    pub fn length(self) -> u32 {
        self.line.length
    }

    /// What was found out about it.
    pub fn judged(self) -> Judged {
        self.line.judged
    }

    /// File name of the document; empty for none.
    pub fn document(self) -> &'a str {
        self.chunk.named(self.line.document)
    }

    /// Page, from 1.
    pub fn page(self) -> Option<u32> {
        (self.line.page > 0).then_some(self.line.page)
    }

    /// Who wrote it; empty for unknown.
    pub fn author(self) -> &'a str {
        self.chunk.named(self.line.author)
    }

    /// Its labels.
    pub fn tags(self) -> impl Iterator<Item = &'a str> {
        digest::tags(self.chunk.named(self.line.tags))
    }

    /// What is asked last.
    pub fn question(self) -> &'a str {
        &self.chunk.text[self.line.start as usize..self.line.question_end as usize]
    }

    /// All that is searched: question, answer, other turns.
    pub fn text(self) -> &'a str {
        &self.chunk.text[self.line.start as usize..self.line.end as usize]
    }
}

#[cfg(test)]
mod tests;
