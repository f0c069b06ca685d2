//! What changed between two texts, word by word.

use ratatui::style::Style;
use similar::{ChangeTag, TextDiff};

use super::Rich;
use crate::app::theme;

/// The words of `before` and `after`: each side in full, with the words that only it has marked.
pub fn sides(before: &str, after: &str) -> (Rich, Rich) {
    let (mut left, mut right) = (Rich::default(), Rich::default());
    for change in TextDiff::from_unicode_words(before, after).iter_all_changes() {
        let word = change.value();
        match change.tag() {
            ChangeTag::Equal => {
                left.push(word, Style::default());
                right.push(word, Style::default());
            }
            ChangeTag::Delete => {
                left.push(word, theme::REMOVED);
            }
            ChangeTag::Insert => {
                right.push(word, theme::ADDED);
            }
        }
    }
    (left, right)
}

/// Both texts in one, removed words before those that took their place. Marks in brackets say the
/// same without colour: `[-old-]{+new+}`.
pub fn inline(before: &str, after: &str) -> Rich {
    let mut out = Rich::default();
    let diff = TextDiff::from_unicode_words(before, after);
    let mut open = ChangeTag::Equal;
    for change in diff.iter_all_changes() {
        if change.tag() != open {
            close(&mut out, open);
            match change.tag() {
                ChangeTag::Equal => {}
                ChangeTag::Delete => drop(out.push("[-", theme::REMOVED)),
                ChangeTag::Insert => drop(out.push("{+", theme::ADDED)),
            }
            open = change.tag();
        }
        let style = match change.tag() {
            ChangeTag::Equal => Style::default(),
            ChangeTag::Delete => theme::REMOVED,
            ChangeTag::Insert => theme::ADDED,
        };
        out.push(change.value(), style);
    }
    close(&mut out, open);
    out
}

fn close(out: &mut Rich, open: ChangeTag) {
    match open {
        ChangeTag::Equal => {}
        ChangeTag::Delete => drop(out.push("-]", theme::REMOVED)),
        ChangeTag::Insert => drop(out.push("+}", theme::ADDED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_differ_are_marked() {
        for (before, after, expected) in [
            ("활하중의 25 %", "활하중의 20 %", "활하중의 [-25-]{+20+} %"),
            ("같다", "같다", "같다"),
            ("", "새 답", "{+새 답+}"),
            ("the old tool", "the tool", "the [-old -]tool"),
        ] {
            assert_eq!(inline(before, after).text(), expected);
            let (left, right) = sides(before, after);
            assert_eq!((left.text(), right.text()), (before, after));
        }
    }
}
