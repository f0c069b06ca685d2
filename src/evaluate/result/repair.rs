//! What was set right to read calls leniently.

use serde::{Deserialize, Serialize};

/// A kind of repair. Counted by kind, since some models need one and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// The call stands elsewhere than the template asks for: in a fence, in prose, with other space.
    Place,
    /// A mark of another model's form: `<|python_tag|>`, `[TOOL_CALLS]`, `<function=`.
    Mark,
    /// Other keys than `name` and `arguments`: `parameters`, `function`.
    Keys,
    /// Arguments written as a text that holds JSON.
    ArgumentsText,
    /// Single or typographic quotation marks.
    Marks,
    /// `True`, `False`, `None`.
    PythonWords,
    /// A comma before a closing bracket.
    TrailingComma,
    /// Closing brackets or a closing tag that are missing.
    Unclosed,
    /// Keys without quotation marks.
    BareKeys,
    /// Comments.
    Comments,
    /// Line breaks in a text that are not escaped.
    LineBreaks,
    /// `name(argument=value)`.
    PythonCall,
}

impl Repair {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Place,
        Self::Mark,
        Self::Keys,
        Self::ArgumentsText,
        Self::Marks,
        Self::PythonWords,
        Self::TrailingComma,
        Self::Unclosed,
        Self::BareKeys,
        Self::Comments,
        Self::LineBreaks,
        Self::PythonCall,
    ];
}
