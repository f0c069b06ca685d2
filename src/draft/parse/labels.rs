//! Proposals written as labelled lines instead of JSON: "Q: … A: … Quote: …".

use super::{ANSWER, Proposal, QUESTION, QUOTE, plain_key};

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Question,
    Answer,
    Quote,
}

/// Reads labelled lines; a line without a label goes on with the part before it.
pub(super) fn proposals(text: &str) -> Vec<Proposal> {
    let mut found: Vec<Proposal> = Vec::new();
    let mut current: Option<Part> = None;
    for line in text.lines() {
        if line.trim_start().starts_with("```") || line.trim() == "---" {
            current = None;
            continue;
        }
        let (part, said) = match labelled(line) {
            Some((part, said)) => (part, said),
            None => match current {
                Some(part) if !line.trim().is_empty() => (part, line.trim().to_owned()),
                _ => continue,
            },
        };
        if part == Part::Question && current != Some(Part::Question) {
            found.push(Proposal::default());
        }
        let Some(pair) = found.last_mut() else {
            continue;
        };
        let field = match part {
            Part::Question => &mut pair.question,
            Part::Answer => &mut pair.answer,
            Part::Quote => &mut pair.quote,
        };
        if !field.is_empty() {
            field.push(' ');
        }
        field.push_str(&said);
        current = Some(part);
    }
    found.retain(|pair| !pair.question.is_empty() && !pair.answer.is_empty());
    found
}

/// Splits `**Question 2:** text` into its label and `text`.
fn labelled(line: &str) -> Option<(Part, String)> {
    // Long labels are not labels: a sentence may hold a colon.
    const LONGEST: usize = 24;
    let line = line.trim_start_matches(|c: char| {
        c.is_whitespace() || c.is_ascii_digit() || "-*#>•.)(".contains(c)
    });
    let colon = line.find([':', '：'])?;
    let label = &line[..colon];
    if label.len() > LONGEST {
        return None;
    }
    let name = plain_key(label);
    let part = [(Part::Question, &QUESTION[..]), (Part::Answer, &ANSWER), (Part::Quote, &QUOTE)]
        .into_iter()
        .find(|(_, names)| names.contains(&name.as_str()))?
        .0;
    let said = line[colon..].trim_start_matches([':', '：', '*', ' ', '\t']).trim();
    let said = said.trim_end_matches("**").trim_end();
    Some((part, unquoted(said).to_owned()))
}

/// Drops quotation marks that enclose the whole text.
fn unquoted(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('“', '”'), ('\'', '\''), ('‘', '’'), ('「', '」')]
    {
        if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close))
            && !inner.contains([open, close])
        {
            return inner;
        }
    }
    text
}
