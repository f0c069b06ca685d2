//! HTML files, from their tokens: the standard's tokenizer finds tags and text in whatever there is, and
//! since no tree is built, neither depth nor disorder costs anything.

use std::cell::{Cell, RefCell};

use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::flow::{Flow, Kind};
use crate::failure::Result;

/// Elements whose text is no part of the document's: programs, menus, controls, what was deleted.
const UNSEEN: [&str; 18] = [
    "script", "style", "title", "noscript", "template", "nav", "footer", "iframe", "object", "svg",
    "select", "button", "textarea", "del", "rt", "rp", "noframes", "datalist",
];
/// Elements that stand in a line; every other one begins and ends a paragraph.
const INLINE: [&str; 42] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "dfn", "em", "font",
    "i", "img", "input", "ins", "kbd", "label", "link", "mark", "math", "meta", "mi", "mn", "mo",
    "mrow", "q", "ruby", "rb", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt",
    "u", "var", "wbr",
];
/// Elements that have no end.
const VOID: [&str; 13] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];

/// Reads HTML into a flow.
pub(super) fn read_into(flow: Flow, text: &str) -> Result<Flow> {
    let sink = Sink { state: RefCell::new(State::new(flow)), failed: Cell::new(None) };
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(text.into());
    // It stops at the end of each script, to have it run.
    while let html5ever::TokenizerResult::Script(()) = tokenizer.feed(&input) {}
    tokenizer.end();
    let Sink { state, failed } = tokenizer.sink;
    if let Some(failure) = failed.into_inner() {
        return Err(failure);
    }
    let mut flow = state.into_inner().flow;
    flow.close_paragraph();
    Ok(flow)
}

/// The encoding that the text declares for itself in its first kilobytes.
pub(super) fn declared_encoding(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let head = bytes.get(..4096).unwrap_or(bytes).to_ascii_lowercase();
    let at = head.windows(8).position(|window| window == b"charset=")?;
    let label: Vec<u8> = head
        .iter()
        .skip(at + 8)
        .skip_while(|byte| b"\"' ".contains(byte))
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        .copied()
        .collect();
    encoding_rs::Encoding::for_label(&label)
}

struct Sink {
    state: RefCell<State>,
    failed: Cell<Option<crate::failure::Failure>>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.state.borrow_mut();
        let done = match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                let raw = raw(&tag.name);
                let done = state.open(&tag);
                if let (Ok(()), Some(raw)) = (&done, raw) {
                    return raw;
                }
                done
            }
            Token::TagToken(tag) => {
                state.close(&tag.name);
                Ok(())
            }
            Token::CharacterTokens(text) => state.text(&text),
            _ => Ok(()),
        };
        if let Err(failure) = done {
            // The first one counts; the rest of the file is passed over.
            let first = self.failed.take().unwrap_or(failure);
            self.failed.set(Some(first));
            state.over = Some(("failed".to_owned(), 1));
        }
        TokenSinkResult::Continue
    }
}

/// How the text of elements is read that holds no tags.
fn raw(name: &str) -> Option<TokenSinkResult<()>> {
    match name {
        "script" => Some(TokenSinkResult::RawData(RawKind::ScriptData)),
        "style" | "iframe" | "noframes" => Some(TokenSinkResult::RawData(RawKind::Rawtext)),
        "title" | "textarea" => Some(TokenSinkResult::RawData(RawKind::Rcdata)),
        _ => None,
    }
}

struct State {
    flow: Flow,
    /// Element whose inside is left out, and how many of its name are open.
    over: Option<(String, usize)>,
    /// Open lists, with the number of the next item where they have numbers.
    lists: Vec<Option<u32>>,
    /// An item has begun and has no text yet: a paragraph in it is the item's own.
    fresh_item: bool,
    verbatim: bool,
}

impl State {
    fn new(flow: Flow) -> Self {
        Self { flow, over: None, lists: Vec::new(), fresh_item: false, verbatim: false }
    }

    fn open(&mut self, tag: &Tag) -> Result<()> {
        let name = &*tag.name;
        if let Some((over, depth)) = &mut self.over {
            *depth += usize::from(over == name && !tag.self_closing);
            return Ok(());
        }
        let attribute = |name: &str| {
            let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
            found.map(|attribute| attribute.value.to_lowercase())
        };
        let look: String = attribute("style").unwrap_or_default().split_whitespace().collect();
        let unseen = UNSEEN.contains(&name)
            || attribute("hidden").is_some()
            || look.contains("display:none");
        if unseen && !VOID.contains(&name) {
            if !INLINE.contains(&name) && !matches!(name, "del" | "rt" | "rp") {
                self.flow.close_paragraph();
            }
            if !(tag.self_closing && name == "svg") {
                self.over = Some((name.to_owned(), 1));
            }
            return Ok(());
        }
        let breaks = ["break-before:always", "break-before:page", "break-before:left"];
        if breaks.iter().any(|breaks| look.contains(breaks)) {
            self.flow.close_paragraph();
            self.flow.page_break(false);
        }
        match name {
            "br" => self.flow.text("\n")?,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.as_bytes().get(1).map_or(1, |digit| digit - b'0');
                self.flow.paragraph(Kind::Heading(level), "");
            }
            "ul" | "menu" | "dir" => self.list(None),
            "ol" => {
                let start = attribute("start").and_then(|start| start.parse().ok());
                self.list(Some(start.unwrap_or(1)));
            }
            "li" => self.item(),
            "pre" => {
                self.flow.paragraph(Kind::Verbatim, "");
                self.verbatim = true;
            }
            "table" => self.flow.table()?,
            "tr" => self.flow.row(),
            "td" | "th" => self.flow.cell()?,
            "caption" => {
                self.flow.row();
                self.flow.cell()?;
            }
            _ if INLINE.contains(&name) => return Ok(()),
            _ if self.fresh_item => return Ok(()),
            _ => self.flow.close_paragraph(),
        }
        self.fresh_item = name == "li";
        Ok(())
    }

    fn list(&mut self, next: Option<u32>) {
        self.flow.close_paragraph();
        self.lists.push(next);
    }

    fn item(&mut self) {
        let label = match self.lists.last_mut() {
            Some(Some(next)) => {
                let label = format!("{next}.");
                *next = next.saturating_add(1);
                label
            }
            _ => "-".to_owned(),
        };
        self.flow.paragraph(Kind::Item, &label);
    }

    fn close(&mut self, name: &str) {
        if let Some((over, depth)) = &mut self.over {
            *depth -= usize::from(over == name);
            if *depth == 0 {
                self.over = None;
            }
            return;
        }
        match name {
            "ul" | "ol" | "menu" | "dir" => {
                self.flow.close_paragraph();
                self.lists.pop();
            }
            "pre" => {
                self.flow.close_paragraph();
                self.verbatim = false;
            }
            "table" => self.flow.close_table(),
            "td" | "th" | "tr" | "caption" => self.flow.close_cell(),
            "br" => {}
            _ if INLINE.contains(&name) => return,
            _ => self.flow.close_paragraph(),
        }
        self.fresh_item = false;
    }

    fn text(&mut self, text: &str) -> Result<()> {
        if self.over.is_some() {
            return Ok(());
        }
        if !text.trim().is_empty() {
            self.fresh_item = false;
        }
        if self.verbatim {
            return self.flow.text(text);
        }
        // Line ends are blanks here, as any other.
        let text: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        self.flow.text(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(html: &str) -> Vec<String> {
        let flow = read_into(Flow::new(), html).unwrap();
        flow.finish().into_iter().map(|page| page.text).collect()
    }

    #[test]
    fn structure_is_kept_and_the_rest_left_out() {
        let html = "<!doctype html><html><head><title>문서</title><style>p{}</style>\
            <script>if (a < b) { '<p>no</p>' }</script></head><body>\
            <nav><ul><li>메뉴</li></ul></nav><h1>하중\n기준</h1>\
            <p>고정하중은 <b>자중</b>이다.<br>둘째 줄 &lt; &#44032;</p>\
            <ul><li><p>첫째</p><li>둘째<ol start=3><li>안</ol></ul>\
            <div hidden>숨김</div><del>지움</del>\
            <table><caption>표 1</caption><tr><th>용도<th>하중<tr><td>사무실<td>2.5</table>\
            <pre>  x = 1\n  y = 2\n</pre>끝</body>";
        assert_eq!(
            pages(html),
            [
                "# 하중 기준\n\n고정하중은 자중이다.\n둘째 줄 < 가\n\n- 첫째\n- 둘째\n3. 안\n\n표 1\n\n용도 하중\n사무실 2.5\n\n  x = 1\n  y = 2\n\n끝"
            ]
        );
    }

    #[test]
    fn printed_pages_are_pages() {
        let html = "<p>하나</p><p style='page-break-before: always'>둘</p>\
            <br style=\"page-break-before:always\"><p>셋";
        assert_eq!(pages(html), ["하나", "둘", "셋"]);
    }

    #[test]
    fn disorder_is_borne() {
        assert_eq!(pages("</p></table><td>가<p>나</td></tr><table><tr><td>다"), ["가\n\n나\n\n다"]);
        let deep = format!("{}글{}", "<div><span>".repeat(100_000), "</span></div>".repeat(9));
        assert_eq!(pages(&deep), ["글"]);
        let tables = "<table><tr><td>".repeat(1000);
        assert!(read_into(Flow::new(), &tables).err().unwrap().message.contains("too deep"));
    }

    #[test]
    fn encodings_are_declared() {
        let label = |html: &[u8]| declared_encoding(html).map(encoding_rs::Encoding::name);
        assert_eq!(label(b"<meta charset=euc-kr>"), Some("EUC-KR"));
        assert_eq!(label(b"<META content=\"text/html; charset=UTF-8\">"), Some("UTF-8"));
        assert_eq!(label(b"<meta charset='ks_c_5601-1987'>"), Some("EUC-KR"));
        assert_eq!(label(b"<p>"), None);
    }
}
