//! Why calls are wrong.

use std::fmt;

/// What is wrong, as finely as BFCL tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// More or fewer calls than expected.
    Count,
    /// Another tool was called.
    Name,
    /// A required argument is not given.
    MissingRequired,
    /// An argument is not given that may not be left out.
    MissingOptional,
    /// An argument is given that the tool does not know or the answer does not expect.
    Unexpected,
    /// An argument has the wrong type.
    Type,
    /// An element of a list has the wrong type.
    NestedType,
    /// Another text.
    Text,
    /// Another list.
    List,
    /// A key too many or too few in an object.
    ObjectKey,
    /// Another value in an object.
    ObjectValue,
    /// An object where the answer lists none.
    ObjectUnclear,
    /// More or fewer objects in a list.
    ObjectCount,
    /// A list of objects where the answer lists none.
    ObjectListUnclear,
    /// Another value.
    Value,
    /// No text where Java's source text is asked for.
    Java,
    /// No text where JavaScript's source text is asked for.
    JavaScript,
    /// Source text or a type on which BFCL's converter raises an error of Python. BFCL's evaluation
    /// ends there and has no name for it.
    Broken,
}

/// What stands for an `error_type` where BFCL's checker raises an error and gives none.
const BROKEN: &str = "ast_checker:exception";

impl Fault {
    /// The class in one word; error counts are made by it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Name => "name",
            Self::MissingRequired | Self::MissingOptional => "missing",
            Self::Unexpected => "extra",
            Self::Type | Self::NestedType | Self::Java | Self::JavaScript | Self::Broken => "type",
            Self::Text
            | Self::List
            | Self::ObjectKey
            | Self::ObjectValue
            | Self::ObjectUnclear
            | Self::ObjectCount
            | Self::ObjectListUnclear
            | Self::Value => "value",
        }
    }

    /// The `error_type` of BFCL's checker; of a wrong count the part after the colon.
    pub(super) fn bfcl(self) -> &'static str {
        match self {
            Self::Count => "wrong_count",
            Self::Name => "simple_function_checker:wrong_func_name",
            Self::MissingRequired => "simple_function_checker:missing_required",
            Self::MissingOptional => "simple_function_checker:missing_optional",
            Self::Unexpected => "simple_function_checker:unexpected_param",
            Self::Type => "type_error:simple",
            Self::NestedType => "type_error:nested",
            Self::Text => "value_error:string",
            Self::List => "value_error:list/tuple",
            Self::ObjectKey => "value_error:dict_key",
            Self::ObjectValue => "value_error:dict_value",
            Self::ObjectUnclear => "dict_checker:unclear",
            Self::ObjectCount => "value_error:list_dict_count",
            Self::ObjectListUnclear => "list_dict_checker:unclear",
            Self::Value => "value_error:others",
            Self::Java => "type_error:java",
            Self::JavaScript => "type_error:js",
            Self::Broken => BROKEN,
        }
    }
}

/// Why calls are wrong. Shown as a class, a colon and the detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What is wrong.
    pub fault: Fault,
    /// The argument it is about, if it is about one.
    pub argument: Option<String>,
    /// What was given: a name, a number of calls, or a value as JSON.
    pub found: String,
    /// What was expected, in the same form.
    pub expected: String,
}

impl CallError {
    /// The class in one word.
    pub fn class(&self) -> &'static str {
        self.fault.class()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.class())?;
        if let Some(argument) = &self.argument {
            f.write_str(argument)?;
        }
        match self.fault {
            Fault::Count | Fault::Name => write!(f, "{} for {}", self.found, self.expected),
            Fault::MissingRequired | Fault::MissingOptional | Fault::Unexpected => Ok(()),
            Fault::Type | Fault::NestedType => write!(f, " = {}", self.found),
            Fault::Java => write!(f, " = {} is no text of Java", self.found),
            Fault::JavaScript => write!(f, " = {} is no text of JavaScript", self.found),
            Fault::Broken => write!(f, " = {} cannot be converted to its type", self.found),
            _ => write!(f, " = {} for {}", self.found, self.expected),
        }
    }
}
