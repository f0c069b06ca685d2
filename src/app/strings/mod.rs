//! Every text on the screens, in Korean and English.

pub mod command;
pub mod common;
mod reason;
pub mod screen;
mod sweep;
mod told;

use std::fmt::Display;

pub use reason::{expected, reason};
pub use sweep::{short, sweep};
pub use told::told;

use super::Screen;
use super::command::Scope;
use crate::job::JobSpec;
use crate::pair::Language;

/// A text in both languages. `{0}`, `{1}` and so on are filled in by [`Text::fill`]; `{0s}` is an
/// English plural ending, left out when the value is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Korean.
    pub ko: &'static str,
    /// English.
    pub en: &'static str,
}

impl Text {
    /// The text in a language.
    pub fn of(self, language: Language) -> &'static str {
        match language {
            Language::Korean => self.ko,
            Language::English => self.en,
        }
    }

    /// The text in a language with its placeholders filled in.
    pub fn fill(self, language: Language, values: &[&dyn Display]) -> String {
        let (mut out, mut rest) = (String::new(), self.of(language));
        // In one pass: a value may hold what looks like a placeholder.
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let name = after.split_once('}').map_or("", |(name, _)| name);
            let number = name.strip_suffix('s').unwrap_or(name);
            match number.parse::<usize>().ok().and_then(|index| values.get(index)) {
                Some(value) if name == number => out.push_str(&value.to_string()),
                Some(value) if value.to_string() == "1" => {}
                Some(_) => out.push('s'),
                None => {
                    out.push('{');
                    rest = after;
                    continue;
                }
            }
            rest = after.get(name.len() + 1..).unwrap_or_default();
        }
        out + rest
    }
}

/// Makes a text from its two forms.
pub const fn text(ko: &'static str, en: &'static str) -> Text {
    Text { ko, en }
}

/// Chooses the language by the values of `LC_ALL`, `LC_MESSAGES` and `LANG`: the first that is set
/// and not empty decides, as in POSIX.
pub fn language_of_locale(values: [Option<&str>; 3]) -> Language {
    match values.into_iter().flatten().find(|value| !value.is_empty()) {
        Some(locale) if locale.starts_with("ko") => Language::Korean,
        _ => Language::English,
    }
}

/// The name of a screen.
pub fn screen(screen: Screen) -> Text {
    match screen {
        Screen::Home => text("홈", "Home"),
        Screen::Sources => text("문서", "Sources"),
        Screen::Curate => text("큐레이션", "Curate"),
        Screen::Mix => text("섞기", "Mix"),
        Screen::Train => text("학습", "Train"),
        Screen::Evaluate => text("평가", "Evaluate"),
        Screen::Try => text("써 보기", "Try"),
        Screen::Jobs => text("작업", "Jobs"),
        Screen::Settings => text("설정", "Settings"),
    }
}

/// The name of the place where a command works.
pub fn scope(scope: Scope) -> Text {
    match scope {
        Scope::Everywhere => text("어디서나", "Everywhere"),
        Scope::Field => text("글을 쓰는 칸", "In a text field"),
        Scope::On(on) => screen(on),
    }
}

/// The name of a job.
pub fn job(spec: &JobSpec) -> Text {
    match spec {
        JobSpec::AddDocument { .. } => text("문서 읽기", "add document"),
        JobSpec::SplitDocument { .. } => text("구절 나누기", "split"),
        JobSpec::ImportPairs { .. } => text("가져오기", "import"),
        JobSpec::AddPool { .. } => text("일반 대화 더하기", "add pool"),
        JobSpec::ExportPairs { .. } => text("내보내기", "export"),
        JobSpec::Draft { .. } => text("초안 쓰기", "draft"),
        JobSpec::PullModel { .. } => text("모델 받기", "pull model"),
        JobSpec::Mix => text("섞기", "mix"),
        JobSpec::Train { .. } => text("학습", "train"),
        JobSpec::Evaluate { .. } => text("평가", "evaluate"),
        JobSpec::Check { .. } => text("점검", "check"),
        JobSpec::Sweep(_) => text("훑기", "sweep"),
        JobSpec::Measure { .. } => text("재기", "measure"),
        JobSpec::Chat { .. } => text("대화", "chat"),
    }
}

/// The name of a stage of work, from the key that its progress carries; an unknown key is shown as
/// it is.
pub fn stage(key: &str, language: Language) -> &str {
    let name = match key {
        "download" => text("내려받기", "download"),
        "verify" => text("검사", "verify"),
        "load" => text("모델 읽기", "load model"),
        "read" => text("읽기", "read"),
        "split" => text("구절 나누기", "split"),
        "tokenize" => text("토큰 나누기", "tokenize"),
        "quantize" => text("양자화", "quantize"),
        "pack" => text("줄 묶기", "pack rows"),
        "train" => text("학습", "train"),
        "validate" => text("검증", "validate"),
        "base" => text("기본 모델", "base"),
        "tuned" => text("학습 후 모델", "tuned"),
        "draft" => text("초안", "draft"),
        "check" => text("확인", "check"),
        "mix" => text("섞기", "mix"),
        "score" => text("채점", "score"),
        "import" => text("가져오기", "import"),
        "export" => text("내보내기", "export"),
        "generate" => text("답 쓰기", "generate"),
        "evaluate" => text("평가", "evaluate"),
        "judge" => text("판정", "judge"),
        "measure" => text("재기", "measure"),
        "compare" => text("견주기", "compare"),
        "document" => text("문서", "document"),
        "ocr" => text("글자 인식", "OCR"),
        "store" => text("저장", "store"),
        "write" => text("쓰기", "write"),
        "unpack" => text("풀기", "unpack"),
        "wait" => text("기다림", "wait"),
        _ => return key,
    };
    name.of(language)
}

/// The name of a unit that progress counts.
pub fn unit(key: &'static str, language: Language) -> &'static str {
    let name = match key {
        "tokens" => text("토큰", "tokens"),
        "pages" => text("쪽", "pages"),
        "items" => text("개", "items"),
        "steps" => text("단계", "steps"),
        "rows" => text("줄", "rows"),
        _ => return key,
    };
    name.of(language)
}

macro_rules! texts {
    ($($name:ident: $ko:literal, $en:literal;)*) => {
        $(
            #[doc = $en]
            pub const $name: $crate::app::strings::Text =
                $crate::app::strings::text($ko, $en);
        )*
        #[cfg(test)]
        pub(super) const ALL: &[(&str, $crate::app::strings::Text)] =
            &[$((stringify!($name), $name),)*];
    };
}
use texts;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::command::COMMANDS;

    #[test]
    fn both_languages_say_the_same_things() {
        let holes = |text: &str| {
            let mut found: Vec<_> = (0..6).filter(|n| text.contains(&format!("{{{n}}}"))).collect();
            found.dedup();
            found
        };
        let mut all: Vec<_> = common::ALL.iter().chain(screen::ALL).copied().collect();
        for info in COMMANDS {
            let (label, help) = command::describe(info.command);
            all.extend([(info.id, label), (info.id, help)]);
        }
        for (name, text) in all {
            assert!(!text.ko.is_empty() && !text.en.is_empty(), "{name}");
            assert_eq!(holes(text.ko), holes(text.en), "{name}");
            assert!(!text.en.chars().any(|c| ('가'..='힣').contains(&c)) || name == "app.language");
        }
    }

    #[test]
    fn the_locale_decides_the_language() {
        for (values, expected) in [
            ([Some("ko_KR.UTF-8"), None, Some("en_US.UTF-8")], Language::Korean),
            ([Some(""), None, Some("ko_KR.UTF-8")], Language::Korean),
            ([Some("C.UTF-8"), Some("ko_KR"), None], Language::English),
            ([None, Some("ko"), Some("en_US")], Language::Korean),
            ([None, None, None], Language::English),
        ] {
            assert_eq!(language_of_locale(values), expected, "{values:?}");
        }
    }
}
