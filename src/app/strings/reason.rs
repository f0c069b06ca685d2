//! Why an answer is wrong, in the language of the interface.

use crate::evaluate::Reason;
use crate::pair::Language;
use crate::report::words::Words;

/// An expected answer: its text, or in words that no call or any call is expected.
pub fn expected(expected: &str, language: Language) -> &str {
    Words::of(language).expected_text(expected)
}

/// A reason: in English as it tells itself, in Korean by the words of reports.
pub fn reason(reason: &Reason, language: Language) -> String {
    match language {
        Language::English => reason.to_string(),
        Language::Korean => Words::of(language).reason(reason),
    }
}
