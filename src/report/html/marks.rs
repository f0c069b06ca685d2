//! Answers with what differs from the expected one marked.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use super::escape::escape_between_tags as escape;

/// Where an answer has less than this share of the expected words, all of it would be marked, so that
/// nothing is.
const ALIKE: f64 = 0.5;
/// Expected answers of fewer words are looked for in the answer instead.
const WORDS: usize = 4;

/// A text of at most `limit` characters, and whether it was cut.
pub(super) fn cut(text: &str, limit: usize) -> (&str, bool) {
    match text.char_indices().nth(limit) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), true),
        None => (text, false),
    }
}

/// The answer as HTML: words that the expected answer has not in `<ins>`, words it has and the answer
/// has not in `<del>`, the argument of that name in `<u>`. `text` may be cut: then what is expected
/// beyond its end is not marked as lacking.
pub(super) fn marked(expected: &str, text: &str, was_cut: bool, argument: Option<&str>) -> String {
    let argument = argument.and_then(|name| argument_at(text, name));
    let diff = TextDiff::from_unicode_words(expected, text);
    let (mut out, mut at, mut kinds) = (String::new(), 0, Vec::new());
    for change in diff.iter_all_changes() {
        kinds.push((change.tag(), change.value()));
    }
    let words = |wanted: &[ChangeTag]| {
        let of = kinds.iter().filter(|(tag, word)| wanted.contains(tag) && !says_nothing(word));
        of.count()
    };
    let (shared, all) = (words(&[ChangeTag::Equal]), words(&[ChangeTag::Equal, ChangeTag::Delete]));
    if all < WORDS || (shared as f64) < ALIKE * all as f64 {
        return with_hit(expected, text, argument);
    }
    if was_cut {
        // What comes after the last word in common may be as expected beyond the cut.
        let common = kinds.iter().rposition(|(tag, _)| *tag == ChangeTag::Equal);
        let mut after = kinds.split_off(common.map_or(0, |last| last + 1));
        after.retain(|(tag, _)| *tag == ChangeTag::Insert);
        kinds.extend(after.into_iter().map(|(_, word)| (ChangeTag::Equal, word)));
    }
    let mut rest = kinds.as_slice();
    while let Some((tag, _)) = rest.first() {
        let length = rest.iter().take_while(|(other, _)| other == tag).count();
        let (group, after) = rest.split_at(length);
        rest = after;
        let joined: String = group.iter().map(|(_, word)| *word).collect();
        match tag {
            ChangeTag::Delete if says_nothing(&joined) => {}
            ChangeTag::Delete => push(&mut out, "del", joined.trim_end()),
            ChangeTag::Equal | ChangeTag::Insert => {
                let class =
                    if *tag == ChangeTag::Insert && !says_nothing(&joined) { "ins" } else { "" };
                for (part, inside) in split(&joined, at, argument) {
                    let mut piece = String::new();
                    push(&mut piece, class, part);
                    if inside {
                        piece = format!("<u>{piece}</u>");
                    }
                    out.push_str(&piece);
                }
                at += joined.len();
            }
        }
    }
    out
}

/// The expected answer with the arguments that were wrong marked.
pub(super) fn expected(text: &str, arguments: &[&str]) -> String {
    let range = arguments.iter().find_map(|name| argument_at(text, name));
    let mut out = String::new();
    for (part, inside) in split(text, 0, range) {
        push(&mut out, if inside { "u" } else { "" }, part);
    }
    out
}

/// The text with the expected answer marked where it stands in it word for word.
fn with_hit(expected: &str, text: &str, argument: Option<(usize, usize)>) -> String {
    let hit = (expected.chars().count() < 80 && !expected.trim().is_empty())
        .then(|| text.find(expected.trim()))
        .flatten()
        .map(|start| (start, start + expected.trim().len()));
    let (range, tag) = if argument.is_some() { (argument, "u") } else { (hit, "mark") };
    let mut out = String::new();
    for (part, inside) in split(text, 0, range) {
        push(&mut out, if inside { tag } else { "" }, part);
    }
    out
}

fn push(out: &mut String, tag: &str, text: &str) {
    if tag.is_empty() || text.is_empty() {
        out.push_str(&escape(text));
    } else {
        let _ = write!(out, "<{tag}>{}</{tag}>", escape(text));
    }
}

/// Blanks, punctuation and the marks around calls are no words.
fn says_nothing(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .all(|word| word.is_empty() || word == "tool_call")
}

/// `text`, which starts at `at` bytes of the whole, in parts in and out of `range` of the whole.
fn split(text: &str, at: usize, range: Option<(usize, usize)>) -> Vec<(&str, bool)> {
    let Some((start, end)) = range else { return vec![(text, false)] };
    let (start, end) =
        (start.saturating_sub(at).min(text.len()), end.saturating_sub(at).min(text.len()));
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let parts = [(part(0, start), false), (part(start, end), true), (part(end, text.len()), false)];
    parts.into_iter().filter(|(part, _)| !part.is_empty()).collect()
}

/// Where the argument stands in a call written as JSON: from its name to the end of its value.
fn argument_at(text: &str, name: &str) -> Option<(usize, usize)> {
    let key = format!("\"{name}\"");
    let start = text.match_indices(&key).map(|(at, _)| at).find(|at| {
        text.get(at + key.len()..).is_some_and(|after| after.trim_start().starts_with(':'))
    })?;
    let value = text.get(start + key.len()..)?;
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, character) in value.char_indices() {
        let end = start + key.len() + at;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' => depth += 1,
            '}' | ']' if depth > 0 => depth -= 1,
            ',' | '}' | ']' | '\n' if depth == 0 => return Some((start, end)),
            _ => {}
        }
    }
    Some((start, text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked_and_the_wrong_argument_underlined() {
        let expected = r#"{"name":"get_weather","arguments":{"city":"서울","days":3}}"#;
        let answer = "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Seoul\", \"days\": 3}}\n</tool_call>";
        let html = marked(expected, answer, false, Some("city"));
        assert!(html.contains("<del>서울</del>"), "{html}");
        assert!(html.contains("<u><ins>Seoul</ins>"), "{html}");
        assert!(html.starts_with("&lt;tool_call&gt;"), "marks of calls are no difference: {html}");
        assert!(!html.contains("<ins>get"), "{html}");
    }

    #[test]
    fn short_answers_are_found_in_long_replies() {
        assert_eq!(marked("42", "답은 42입니다.", false, None), "답은 <mark>42</mark>입니다.");
        assert_eq!(marked("42", "모르겠습니다 <b>", false, None), "모르겠습니다 &lt;b&gt;");
        assert_eq!(marked("", "a", false, None), "a");
    }

    #[test]
    fn arguments_are_found_with_their_values() {
        let find = |text: &'static str, name: &str| {
            argument_at(text, name).and_then(|(start, end)| text.get(start..end))
        };
        let call = r#"{"arguments": {"a": [1, {"b": 2}], "c": "x, \"y\"", "d": true}}"#;
        assert_eq!(find(call, "a"), Some(r#""a": [1, {"b": 2}]"#));
        assert_eq!(find(call, "c"), Some(r#""c": "x, \"y\"""#));
        assert_eq!(find(call, "d"), Some(r#""d": true"#));
        assert_eq!(find(call, "x"), None);
        assert_eq!(find(r#"{"a": "never ends"#, "a"), Some(r#""a": "never ends"#));
    }

    #[test]
    fn cut_answers_lack_nothing_after_their_end() {
        let html = marked("one two three four five six", "one two three four", true, None);
        assert_eq!(html, "one two three four");
        assert_eq!(
            marked("one two three four five", "one two three fo", true, None),
            "one two three fo"
        );
        assert_eq!(cut("가나다", 2), ("가나", true));
        assert_eq!(cut("가나", 2), ("가나", false));
    }
}
