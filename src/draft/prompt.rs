//! The prompts that ask for drafts: one file for each prompt and language under `prompts/`.
//!
//! A prompt file is front matter between `---` lines (`id`, `version`, `language`, `variables`,
//! `output`) and a body in which `{name}` stands for a variable. The files are compiled in; a
//! project may hold a file of the same name, whose text is given to [`Prompt::parse`].

use crate::document::Passage;
use crate::failure::{Failure, Result};
use crate::pair::Language;

/// Variables a body may use.
const VARIABLES: [&str; 4] = ["count", "context", "passage", "document"];

const KOREAN: &str = include_str!("../../prompts/draft.ko.md");
const ENGLISH: &str = include_str!("../../prompts/draft.en.md");

/// A prompt that asks for question-answer pairs about a passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    version: String,
    language: Language,
    body: String,
}

impl Prompt {
    /// The file name of the drafting prompt in a language, in this program and in a project.
    pub fn file_name(language: Language) -> String {
        format!("draft.{}.md", language.code())
    }

    /// The prompt that comes with the program.
    pub fn built_in(language: Language) -> Self {
        let text = match language {
            Language::Korean => KOREAN,
            Language::English => ENGLISH,
        };
        // The files are fixed and tested; a split that failed would leave the text as the body.
        let body = split_front_matter(text).map_or(text, |(_, body)| body);
        Self {
            version: entry(text, "version").unwrap_or_default(),
            language,
            body: body.trim().to_owned(),
        }
    }

    /// The project's own prompt where it has one (the text of its file), else the built-in one.
    ///
    /// # Errors
    /// As for [`Prompt::parse`].
    pub fn choose(language: Language, own: Option<&str>) -> Result<Self> {
        match own {
            Some(text) => Self::parse(&Self::file_name(language), text, language),
            None => Ok(Self::built_in(language)),
        }
    }

    /// Reads a prompt file's text; `name` is for messages.
    ///
    /// # Errors
    /// When front matter is missing, its language is another one, the body lacks `{passage}` or
    /// uses a variable that does not exist.
    pub fn parse(name: &str, text: &str, language: Language) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let Some((front, body)) = split_front_matter(text) else {
            return Err(Failure::user(format!("{name}: no front matter")).hint(
                "Begin the file with a line `---`, keys such as `language: en`, and `---`.",
            ));
        };
        if let Some(code) = entry(front, "language")
            && code != language.code()
        {
            return Err(Failure::user(format!(
                "{name}: its language is \"{code}\", not \"{}\"",
                language.code()
            )));
        }
        if let Some(id) = entry(front, "id")
            && id != "draft"
        {
            return Err(Failure::user(format!(
                "{name}: its id is \"{id}\", not \"draft\""
            )));
        }
        if !body.contains("{passage}") {
            return Err(
                Failure::user(format!("{name}: the body has no {{passage}}"))
                    .hint("Put {passage} where the passage's text belongs."),
            );
        }
        if let Some(unknown) = variables(body).find(|used| !VARIABLES.contains(used)) {
            return Err(
                Failure::user(format!("{name}: there is no variable {{{unknown}}}"))
                    .hint(format!("Variables are: {}.", VARIABLES.join(", "))),
            );
        }
        Ok(Self {
            version: entry(front, "version").unwrap_or_default(),
            language,
            body: body.trim().to_owned(),
        })
    }

    /// The language that the prompt is in and asks for.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The version its file states.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Puts a passage in. One pass, so braces in the passage stay as they are.
    pub fn fill(&self, passage: &Passage, document: &str, count: usize) -> String {
        let count = count.to_string();
        let context = if passage.context.is_empty() {
            document.to_owned()
        } else {
            passage.context.join(" > ")
        };
        let mut filled = String::with_capacity(self.body.len() + passage.text.len());
        let mut rest = self.body.as_str();
        while let Some(start) = rest.find('{') {
            filled.push_str(&rest[..start]);
            rest = &rest[start..];
            let value = variable_at(rest).and_then(|name| {
                let value = match name {
                    "count" => &count,
                    "context" => &context,
                    "passage" => &passage.text,
                    "document" => document,
                    _ => return None,
                };
                Some((value, name.len() + 2))
            });
            if let Some((value, length)) = value {
                filled.push_str(value);
                rest = &rest[length..];
            } else {
                filled.push('{');
                rest = &rest[1..];
            }
        }
        filled.push_str(rest);
        filled
    }
}

fn split_front_matter(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---")?;
    let rest = rest
        .strip_prefix("\r\n")
        .or_else(|| rest.strip_prefix('\n'))?;
    let end = rest.find("\n---")?;
    let body = &rest[end + 4..];
    Some((&rest[..end], body.split_once('\n')?.1))
}

fn entry(front: &str, key: &str) -> Option<String> {
    front.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// The variable that `text`, which begins with a brace, names: `{lowercase_letters}`.
fn variable_at(text: &str) -> Option<&str> {
    let name = text.strip_prefix('{')?.split_once('}')?.0;
    let usable = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    usable.then_some(name)
}

fn variables(body: &str) -> impl Iterator<Item = &str> {
    body.match_indices('{')
        .filter_map(|(start, _)| variable_at(&body[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Span;

    fn passage(text: &str) -> Passage {
        Passage {
            page: 3,
            span: Span {
                start: 0,
                end: text.chars().count(),
            },
            context: vec!["제3장".to_owned(), "적재하중".to_owned()],
            text: text.to_owned(),
        }
    }

    #[test]
    fn built_in_files_are_valid_and_use_only_the_variables_they_state() {
        for (language, text) in [(Language::Korean, KOREAN), (Language::English, ENGLISH)] {
            let parsed = Prompt::parse("x", text, language).unwrap();
            assert_eq!(parsed, Prompt::built_in(language));
            assert_eq!(parsed.version(), "1");
            let stated = entry(text, "variables").unwrap();
            let stated: Vec<&str> = stated.split(", ").collect();
            assert!(variables(&parsed.body).all(|used| stated.contains(&used)));
            assert!(
                stated
                    .iter()
                    .all(|name| parsed.body.contains(&format!("{{{name}}}")))
            );
        }
    }

    #[test]
    fn a_passage_with_braces_is_put_in_as_it_is() {
        let prompt = Prompt::parse(
            "x",
            "---\nlanguage: ko\n---\n{context}|{passage}|{count}|{\"question\": {} {Count}",
            Language::Korean,
        )
        .unwrap();
        let filled = prompt.fill(&passage("중괄호 {count}와 {x}"), "기준.pdf", 2);
        assert_eq!(
            filled,
            "제3장 > 적재하중|중괄호 {count}와 {x}|2|{\"question\": {} {Count}"
        );
    }

    #[test]
    fn mistakes_in_an_own_prompt_are_named() {
        for (text, said) in [
            ("no front matter", "no front matter"),
            ("---\nlanguage: en\n---\n{passage}", "language is \"en\""),
            (
                "---\nlanguage: ko\nid: judge\n---\n{passage}",
                "id is \"judge\"",
            ),
            ("---\nlanguage: ko\n---\nbody", "no {passage}"),
            (
                "---\nlanguage: ko\n---\n{passage} {pasage}",
                "no variable {pasage}",
            ),
        ] {
            let failure = Prompt::choose(Language::Korean, Some(text)).unwrap_err();
            assert!(failure.message.contains(said), "{}", failure.message);
            assert!(failure.message.contains("draft.ko.md"));
        }
        assert!(
            Prompt::choose(
                Language::Korean,
                Some("\u{feff}---\r\nid: draft\r\n---\r\n{passage}")
            )
            .is_ok()
        );
    }
}
