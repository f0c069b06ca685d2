//! Headings, numbered clauses and list items, told from the first characters of a line.

/// What a line begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    /// Depth in the document, 0 outermost.
    pub level: u32,
    /// The marker itself: "0306.4.1", "제5조(목적)", "(1)", "가.".
    pub label: String,
    /// Parts of a number, for those that have them.
    pub parts: usize,
    /// It names a place in the document, as opposed to an item of a list.
    pub names_place: bool,
}

impl Marker {
    /// Tells whether it also looks like the end of a sentence, as "다." does.
    pub(super) fn may_be_ending(&self) -> bool {
        self.level == level::SYLLABLE
    }
}

/// Levels of the markers; a larger level lies inside a smaller one.
mod level {
    pub(super) const PART: u32 = 0;
    pub(super) const CHAPTER: u32 = 1;
    pub(super) const SECTION: u32 = 2;
    pub(super) const SUBSECTION: u32 = 3;
    pub(super) const ARTICLE: u32 = 4;
    pub(super) const NUMBER: u32 = 10;
    pub(super) const CIRCLED: u32 = 30;
    pub(super) const DIGIT: u32 = 31;
    pub(super) const SYLLABLE: u32 = 32;
    pub(super) const PAREN: u32 = 33;
    pub(super) const PAREN_SYLLABLE: u32 = 34;
    pub(super) const BULLET: u32 = 35;
}

/// Syllables that number items in Korean documents.
const SYLLABLES: &str = "가나다라마바사아자차카타파하";

/// Reads the marker at the start of a line, if it has one.
pub(super) fn marker(line: &str) -> Option<Marker> {
    let line = line.trim_start();
    markdown(line).or_else(|| ordinal(line)).or_else(|| dotted(line)).or_else(|| listed(line))
}

/// Tells whether a line begins a new item, clause or heading, so that it never continues a paragraph.
pub(super) fn begins_item(line: &str) -> bool {
    marker(line).is_some()
}

/// Tells whether a line is a heading: marked as one, short, and not a sentence.
pub(super) fn is_heading(line: &str) -> bool {
    let line = line.trim();
    marker(line).is_some_and(|marker| {
        marker.names_place
            && line.chars().count() <= 60
            && !line.ends_with(['.', ',', ';', ':', '?', '!', '。'])
            && !line.ends_with("다")
            && line.len() > marker.label.len()
    })
}

/// `## Title`.
fn markdown(line: &str) -> Option<Marker> {
    let depth = line.chars().take_while(|c| *c == '#').count();
    let rest = line.get(depth..)?;
    ((1..=6).contains(&depth) && rest.starts_with(' ') && !rest.trim().is_empty()).then(|| Marker {
        level: level::PART + depth as u32,
        label: line.get(..depth).unwrap_or_default().to_owned(),
        parts: 0,
        names_place: true,
    })
}

/// `제3장`, `제5조(목적)`, `제5조의2`, `Chapter 3`, `Article 12`.
fn ordinal(line: &str) -> Option<Marker> {
    if let Some(rest) = line.strip_prefix('제') {
        let rest = rest.trim_start();
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let after = rest.get(digits..)?.trim_start();
        if digits == 0 || digits > 4 {
            return None;
        }
        let unit = after.chars().next()?;
        let level = match unit {
            '편' => level::PART,
            '장' => level::CHAPTER,
            '절' => level::SECTION,
            '관' => level::SUBSECTION,
            '조' => level::ARTICLE,
            _ => return None,
        };
        let mut rest = after.get(unit.len_utf8()..)?;
        if let Some(branch) = rest.strip_prefix('의') {
            let digits = branch.chars().take_while(char::is_ascii_digit).count();
            if digits > 0 {
                rest = branch.get(digits..)?;
            }
        }
        if unit == '조'
            && let Some(title) = rest.trim_start().strip_prefix('(')
            && let Some(end) = title.find(')')
        {
            rest = title.get(end + 1..)?;
        }
        // "제5조를", "제3장에서" are mentions; a heading goes on with a space or ends.
        let begins =
            rest.is_empty() || rest.starts_with([' ', '(', '.']) || rest.starts_with('\u{b7}');
        return begins.then(|| Marker {
            level,
            label: line.get(..line.len() - rest.len()).unwrap_or_default().trim().to_owned(),
            parts: 0,
            names_place: true,
        });
    }
    for (word, level) in [
        ("Part ", level::PART),
        ("Chapter ", level::CHAPTER),
        ("Section ", level::SECTION),
        ("Article ", level::ARTICLE),
        ("Appendix ", level::CHAPTER),
        ("Annex ", level::CHAPTER),
    ] {
        if let Some(rest) = line.strip_prefix(word) {
            let number = rest.split([' ', '.', ':']).next().unwrap_or_default();
            let short = (1..=4).contains(&number.len());
            if short && number.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()) {
                return Some(Marker {
                    level,
                    label: format!("{word}{number}"),
                    parts: 0,
                    names_place: true,
                });
            }
        }
    }
    None
}

/// `1.2.3 Title`, `0306 지진하중`, `0306.4.1`, `1 Scope`, `A.2 Loads`.
fn dotted(line: &str) -> Option<Marker> {
    let (number, rest) = line.split_once(' ')?;
    let trimmed = number.strip_suffix('.').unwrap_or(number);
    let parts: Vec<&str> = trimmed.split('.').collect();
    let (first, inner) = parts.split_first()?;
    let is_number = |part: &&str| {
        !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit())
    };
    let letter =
        first.len() == 1 && first.bytes().all(|b| b.is_ascii_uppercase()) && !inner.is_empty();
    if !(is_number(first) || letter) || !inner.iter().all(is_number) {
        return None;
    }
    let rest = rest.trim_start();
    let title = rest.chars().next()?;
    let code = first.len() == 4 && first.starts_with('0');
    if inner.is_empty() && number.ends_with('.') {
        return None; // "1. item" is a list's.
    }
    // "0.5 kN", "2026. 3. 1.", "1.2.3" followed by figures are data, not clause numbers.
    let begins = if code || inner.len() >= 2 {
        title.is_alphanumeric() || "([「『‘“\"'".contains(title)
    } else {
        let second = rest.chars().nth(1).unwrap_or(' ');
        title.is_alphabetic()
            && (title.is_uppercase() || !title.is_ascii())
            && second.is_alphabetic()
    };
    let numbered = first.len() <= 2 || code || letter;
    (begins && numbered && (!first.starts_with('0') || code)).then(|| Marker {
        level: level::NUMBER + parts.len() as u32,
        label: trimmed.to_owned(),
        parts: parts.len(),
        names_place: true,
    })
}

/// `(1)`, `1)`, `1.`, `①`, `가.`, `(가)`, `가)`, `(a)`, `a)`, `•`, `- `.
fn listed(line: &str) -> Option<Marker> {
    let item = |level: u32, label: &str| {
        Some(Marker { level, label: label.trim().to_owned(), parts: 0, names_place: false })
    };
    let first = line.chars().next()?;
    if ('①'..='⑳').contains(&first) {
        return item(level::CIRCLED, line.get(..first.len_utf8())?);
    }
    let second = line.get(first.len_utf8()..)?;
    if "•▪◦○●■□▶※".contains(first) || ("-–*".contains(first) && second.starts_with(' '))
    {
        return item(level::BULLET, line.get(..first.len_utf8())?);
    }
    let bracketed = first == '(';
    let body = if bracketed { second } else { line };
    let end = body.find([')', '.', ' '])?;
    let (core, close) = (body.get(..end)?, body.get(end..)?.chars().next()?);
    let label = line.get(..line.len() - body.len() + end + 1)?;
    let after = body.get(end + 1..)?;
    let closed = match close {
        // "(3)의 지붕구조" is a mention.
        ')' => !after.starts_with(['의', '을', '를', '은', '는', '에', '과', '와', '로']),
        '.' => !bracketed && after.starts_with(' '),
        _ => false,
    };
    if !closed || core.is_empty() {
        return None;
    }
    let count = core.chars().count();
    if count <= 2 && core.bytes().all(|b| b.is_ascii_digit()) {
        // "3. 1." is a date.
        let date = close == '.' && after.trim_start().starts_with(|c: char| c.is_ascii_digit());
        return if date {
            None
        } else if bracketed || close == ')' {
            item(level::PAREN, label)
        } else {
            item(level::DIGIT, label)
        };
    }
    if count == 1 && core.chars().all(|c| SYLLABLES.contains(c)) {
        return item(if bracketed { level::PAREN_SYLLABLE } else { level::SYLLABLE }, label);
    }
    let letters = count <= 3 && core.bytes().all(|b| b.is_ascii_lowercase());
    (letters && close == ')' && (count == 1 || core.bytes().all(|b| b"ivx".contains(&b))))
        .then(|| item(level::PAREN_SYLLABLE, label))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_told_from_data() {
        for (line, label) in [
            ("## Loads", Some("##")),
            ("제3장 설계하중", Some("제3장")),
            ("제5조(목적) 이 규칙은", Some("제5조(목적)")),
            ("제5조의2 삭제", Some("제5조의2")),
            ("제5조를 따른다", None),
            ("0306 지진하중", Some("0306")),
            ("0306.4.1 유효건물중량", Some("0306.4.1")),
            ("1 Scope and duties", Some("1")),
            ("1.1.3 Where the drawings", Some("1.1.3")),
            ("10 m 높이에서", None),
            ("0.5 kN/m² 이상", None),
            ("2.6 19 27 38", None),
            ("2026. 3. 1. 시행", None),
            ("(1) 창고로", Some("(1)")),
            ("(가) 창고", Some("(가)")),
            ("(3)의 지붕구조", None),
            ("가. 창고", Some("가.")),
            ("가을에는", None),
            ("(a) Site engineer", Some("(a)")),
            ("(see also", None),
            ("① 이 법은", Some("①")),
            ("1. 목적", Some("1.")),
            ("3. 1. 시행", None),
            ("• 활하중", Some("•")),
            ("-10 °C", None),
            ("Article 12 Duties", Some("Article 12")),
            ("Part of it", None),
        ] {
            assert_eq!(marker(line).map(|m| m.label).as_deref(), label, "{line}");
        }
    }

    #[test]
    fn headings_are_short_and_no_sentences() {
        assert!(is_heading("0306.4.1 유효건물중량"));
        assert!(is_heading("제1장 총칙"));
        assert!(!is_heading("0101.1.1 이 기준은 필요한 사항을 정한다."));
        assert!(!is_heading("(1) 창고"));
    }
}
