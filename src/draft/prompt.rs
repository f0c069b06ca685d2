//! The prompts that ask for drafts: one file for each prompt and language under `prompts/`.
//!
//! A prompt file is front matter between `---` lines (`id`, `version`, `language`, `variables`,
//! `output`) and a body in which `{name}` stands for a variable. Lines `# system`, `# user` and
//! `# assistant` divide the body into turns; without them it is one turn of the user. The files
//! are compiled in; a project may hold a file of the same name, whose text is given to
//! [`Prompt::parse`].
//!
//! The built-in prompts show a worked example as earlier turns and ask for the quote first. Both
//! were tried on a model of 0.5 billion parameters: told the same as rules, with the quote last,
//! it invented every quote; shown, with the quote first, it copied nearly all of them.

use crate::document::Passage;
use crate::failure::{Failure, Result};
use crate::pair::{Language, Message, Role};

/// Variables a body may use.
const VARIABLES: [&str; 4] = ["count", "context", "passage", "document"];

const KOREAN: &str = include_str!("../../prompts/draft.ko.md");
const ENGLISH: &str = include_str!("../../prompts/draft.en.md");

/// A prompt that asks for question-answer pairs about a passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    version: String,
    language: Language,
    turns: Vec<(Role, String)>,
}

impl Prompt {
    /// The file name of the drafting prompt in a language, in this program and in a project.
    pub fn file_name(language: Language) -> String {
        format!("draft.{}.md", language.code())
    }

    /// What drafts are marked with: the file's name and version, `draft.ko.md 1`.
    pub fn name(&self) -> String {
        format!("{} {}", Self::file_name(self.language), self.version).trim_end().to_owned()
    }

    /// The prompt that comes with the program.
    pub fn built_in(language: Language) -> Self {
        let text = match language {
            Language::Korean => KOREAN,
            Language::English => ENGLISH,
        };
        // The files are fixed and tested; a split that failed would leave the text as the body.
        let body = split_front_matter(text).map_or(text, |(_, body)| body);
        Self { version: entry(text, "version").unwrap_or_default(), language, turns: turns(body) }
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
            return Err(Failure::user(format!("{name}: its id is \"{id}\", not \"draft\"")));
        }
        if !body.contains("{passage}") {
            return Err(Failure::user(format!("{name}: the body has no {{passage}}"))
                .hint("Put {passage} where the passage's text belongs."));
        }
        if let Some(unknown) = variables(body).find(|used| !VARIABLES.contains(used)) {
            return Err(Failure::user(format!("{name}: there is no variable {{{unknown}}}"))
                .hint(format!("Variables are: {}.", VARIABLES.join(", "))));
        }
        let turns = turns(body);
        if turns
            .last()
            .is_none_or(|(role, text)| *role != Role::User || !text.contains("{passage}"))
        {
            return Err(Failure::user(format!("{name}: the last turn does not hold the passage"))
                .hint("End the body with a `# user` turn that has {passage} in it."));
        }
        Ok(Self { version: entry(front, "version").unwrap_or_default(), language, turns })
    }

    /// The language that the prompt is in and asks for.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The version its file states.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The conversation that asks about a passage.
    pub fn fill(&self, passage: &Passage, document: &str, count: usize) -> Vec<Message> {
        let count = count.to_string();
        let context = if passage.context.is_empty() {
            document.to_owned()
        } else {
            passage.context.join(" > ")
        };
        let value = |name: &str| match name {
            "count" => Some(count.as_str()),
            "context" => Some(context.as_str()),
            "passage" => Some(passage.text.as_str()),
            "document" => Some(document),
            _ => None,
        };
        let turn = |(role, text): &(Role, String)| Message::text(*role, filled(text, value));
        self.turns.iter().map(turn).collect()
    }

    /// Tells whether the text is one of the worked example's, which small models repeat.
    pub fn example_holds(&self, text: &str) -> bool {
        let mut shown = self.turns.iter().filter(|(role, _)| *role == Role::Assistant);
        shown.any(|(_, example)| example.contains(text))
    }
}

/// Puts values in. One pass, so braces in a value stay as they are.
pub(super) fn filled<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = variable_at(rest).and_then(|name| Some((value(name)?, name.len() + 2)));
        let (put, length) = known.unwrap_or(("{", 1));
        filled.push_str(put);
        rest = &rest[length..];
    }
    filled.push_str(rest);
    filled
}

/// Divides a body into turns.
pub(super) fn turns(body: &str) -> Vec<(Role, String)> {
    let mut turns = vec![(Role::User, String::new())];
    for line in body.lines() {
        let role = match line.trim_end() {
            "# system" => Some(Role::System),
            "# user" => Some(Role::User),
            "# assistant" => Some(Role::Assistant),
            _ => None,
        };
        match (role, turns.last_mut()) {
            (Some(role), _) => turns.push((role, String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    for (_, text) in &mut turns {
        *text = text.trim().to_owned();
    }
    turns.retain(|(_, text)| !text.is_empty());
    turns
}

pub(super) fn split_front_matter(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---")?;
    let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'))?;
    let end = rest.find("\n---")?;
    let body = &rest[end + 4..];
    Some((&rest[..end], body.split_once('\n')?.1))
}

pub(super) fn entry(front: &str, key: &str) -> Option<String> {
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
    body.match_indices('{').filter_map(|(start, _)| variable_at(&body[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Span;

    fn passage(text: &str) -> Passage {
        Passage {
            page: 3,
            span: Span { start: 0, end: text.chars().count() },
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
            let body = split_front_matter(text).unwrap().1;
            assert!(variables(body).all(|used| stated.contains(&used)));
            assert!(stated.iter().all(|name| body.contains(&format!("{{{name}}}"))));
            let roles: Vec<Role> = parsed.turns.iter().map(|(role, _)| *role).collect();
            assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
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
        let messages = prompt.fill(&passage("중괄호 {count}와 {x}"), "기준.pdf", 2);
        assert_eq!(messages.len(), 1);
        assert_eq!(
            messages[0].content,
            "제3장 > 적재하중|중괄호 {count}와 {x}|2|{\"question\": {} {Count}"
        );
    }

    #[test]
    fn a_worked_example_is_read_by_the_reader_of_answers() {
        for language in [Language::Korean, Language::English] {
            let prompt = Prompt::built_in(language);
            let example = &prompt.turns[1].1;
            let found = crate::draft::parse::proposals(example, None);
            assert_eq!(found.proposals.len(), 2);
            for proposal in found.proposals {
                assert!(prompt.turns[0].1.contains(&proposal.quote));
                assert!(prompt.example_holds(&proposal.answer));
                assert_eq!(crate::draft::language_of(&proposal.question), language);
            }
        }
    }

    #[test]
    fn mistakes_in_an_own_prompt_are_named() {
        for (text, said) in [
            ("no front matter", "no front matter"),
            ("---\nlanguage: en\n---\n{passage}", "language is \"en\""),
            ("---\nlanguage: ko\nid: judge\n---\n{passage}", "id is \"judge\""),
            ("---\nlanguage: ko\n---\nbody", "no {passage}"),
            ("---\nlanguage: ko\n---\n{passage} {pasage}", "no variable {pasage}"),
        ] {
            let failure = Prompt::choose(Language::Korean, Some(text)).unwrap_err();
            assert!(failure.message.contains(said), "{}", failure.message);
            assert!(failure.message.contains("draft.ko.md"));
        }
        assert!(
            Prompt::choose(Language::Korean, Some("\u{feff}---\r\nid: draft\r\n---\r\n{passage}"))
                .is_ok()
        );
    }
}
