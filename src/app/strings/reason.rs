//! Why an answer is wrong, in the language of the interface.

use crate::evaluate::Reason;
use crate::pair::Language;
use crate::report::words::Words;

/// A reason: in English as it tells itself, in Korean by the words of reports.
pub fn reason(reason: &Reason, language: Language) -> String {
    match language {
        Language::English => reason.to_string(),
        Language::Korean => Words::of(language).reason(reason),
    }
}
