//! Arguments that are source text: BFCL's categories of Java and JavaScript.
//!
//! There every argument is a text of the language, and the schema names the language's types. BFCL
//! turns each into a value of Python (`eval_checker/ast_eval/type_convertor/`) and compares that as
//! it compares any other. What a converter cannot read stays a text and mostly fails by its type.
//!
//! Where a converter raises an error of Python, BFCL's evaluation ends without a verdict: types it
//! does not know or not convert (`Set`, `Queue`, `Stack`, `Hashtable`), lists whose elements have no
//! type, whole numbers of more than 4,300 digits, a line break behind a `Bigint`. Here the call is
//! wrong and the fault is [`Fault::Broken`].

use serde_json::Value;

use super::error::Fault;
use super::literal::{Kind, Literal};
use super::{java, javascript};

/// A language whose source text arguments are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Java.
    Java,
    /// JavaScript.
    JavaScript,
}

/// A converter raises an error of Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raised;

/// An argument that is source text, as its schema declares it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    language: Language,
    declared: String,
    /// The type of the elements; an error where the type asks for one and there is none.
    items: Result<Option<String>, Raised>,
}

impl Language {
    /// Its name as it is written in text and, in lower case, in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Java => "Java",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The language that a file names in lower case.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Java, Self::JavaScript].into_iter().find(|each| each.name().to_lowercase() == name)
    }

    /// The Python type that values of a declared type become; none for a type BFCL does not know.
    pub(super) fn kind(self, declared: &str) -> Option<Kind> {
        Some(match (self, declared) {
            (_, "integer")
            | (Self::Java, "byte" | "short" | "long")
            | (Self::JavaScript, "Bigint") => Kind::Int,
            (_, "float") | (Self::Java, "double") => Kind::Float,
            (Self::Java, "boolean") | (Self::JavaScript, "Boolean") => Kind::Bool,
            (_, "String" | "any") | (Self::Java, "char") => Kind::Text,
            // Queues, stacks and hash tables are known, but no value is made of them.
            (Self::Java, "HashMap" | "Hashtable") | (Self::JavaScript, "dict") => Kind::Dict,
            (Self::Java, "Array" | "ArrayList" | "Queue" | "Stack")
            | (Self::JavaScript, "array") => Kind::List,
            (Self::Java, "Set") => Kind::Set,
            _ => return None,
        })
    }

    /// The fault of an argument that is no text.
    fn no_text(self) -> Fault {
        match self {
            Self::Java => Fault::Java,
            Self::JavaScript => Fault::JavaScript,
        }
    }
}

impl Source {
    /// What a property of a schema declares, and the kinds it and its elements take.
    pub(super) fn of(language: Language, property: &Value) -> (Self, Vec<Kind>, Option<Vec<Kind>>) {
        let name = |value: &Value| value.get("type").and_then(Value::as_str).map(str::to_owned);
        let declared = name(property).unwrap_or_default();
        // Only these ask for the type of elements.
        let is_list = matches!(declared.as_str(), "Array" | "ArrayList" | "array");
        let items = if is_list {
            let items = property.get("items").and_then(name);
            let known = items.filter(|items| language.kind(items).is_some());
            known.map(Some).ok_or(Raised)
        } else {
            Ok(None)
        };
        let of_items = items.iter().flatten().next().and_then(|items| language.kind(items));
        let kind = language.kind(&declared);
        let source = Self { language, declared, items };
        (source, kind.into_iter().collect(), of_items.map(|kind| vec![kind]))
    }

    /// The value of an argument.
    pub(super) fn value(&self, argument: &Literal) -> Result<Literal, Fault> {
        if self.language.kind(&self.declared).is_none() {
            return Err(Fault::Broken);
        }
        let Literal::Text(text) = argument else {
            return Err(self.language.no_text());
        };
        let items = self.items.as_ref().map_err(|Raised| Fault::Broken)?.as_deref();
        let value = match self.language {
            Language::Java => java::value(text, &self.declared, items),
            Language::JavaScript => javascript::value(text, &self.declared, items),
        };
        value.map_err(|Raised| Fault::Broken)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The value as JSON, a dash where the converter raises an error.
    fn shown(language: Language, text: &str, declared: &str, items: Option<&str>) -> String {
        let property = json!({"type": declared, "items": {"type": items}});
        let (source, ..) = Source::of(language, &property);
        let value = source.value(&Literal::Text(text.to_owned()));
        value.map_or("-".to_owned(), |value| Value::from(&value).to_string())
    }

    #[test]
    fn source_text_is_read_as_bfcl_reads_it() {
        use Language::{Java, JavaScript};
        // Right sides by BFCL's own converters.
        for (language, text, declared, items, value) in [
            (Java, "12\n", "integer", None, "12"),
            (Java, "1_000", "integer", None, r#""1_000""#),
            (Java, "٥", "byte", None, "5"),
            (Java, "5L\n", "long", None, "5"),
            (Java, "5", "long", None, r#""5""#),
            (Java, "3.14f", "float", None, "3.14"),
            (Java, "3.14", "float", None, r#""3.14""#),
            (Java, "1e400", "double", None, r#""inf""#),
            (Java, "True", "boolean", None, r#""True""#),
            (Java, "'a'", "char", None, r#""'a'""#),
            (Java, "x", "Set", None, "-"),
            (
                Java,
                r#"new ArrayList<String>(Arrays.asList("a, b", "c"))"#,
                "ArrayList",
                Some("String"),
                r#"["","","c"]"#,
            ),
            (
                Java,
                r#"new ArrayList<>(Arrays.asList("a"))"#,
                "ArrayList",
                Some("any"),
                r#"["\"a\""]"#,
            ),
            (
                Java,
                "new ArrayList<Integer>() {{ add(1); add( 2 ); }}",
                "ArrayList",
                Some("integer"),
                "[1,2]",
            ),
            (
                Java,
                "new ArrayList<List<Integer>>()",
                "ArrayList",
                Some("integer"),
                r#""new ArrayList<List<Integer>>()""#,
            ),
            (Java, "new ArrayList<>()", "ArrayList", None, "-"),
            (Java, r#"new String[]{"a","b",}"#, "Array", Some("String"), r#"["\"a\"","\"b\""]"#),
            (Java, "new 정수[] { 1 , x }", "Array", Some("integer"), r#"[1,"x"]"#),
            (Java, "new int[]{5L}", "Array", Some("Queue"), "-"),
            (
                Java,
                r#"new HashMap<String, Object>() {{ put("k", 5L); put("l", "x, y"); put("k", 1_0); }}"#,
                "HashMap",
                None,
                r#"{"k":10,"l":"x, y"}"#,
            ),
            (Java, "new HashMap<>() {{}}", "HashMap", None, "{}"),
            (Java, "null", "HashMap", None, r#""null""#),
            (JavaScript, "\"a", "String", None, r#""\"a""#),
            (JavaScript, "-3.5", "float", None, "-3.5"),
            (JavaScript, "1e3", "float", None, r#""1e3""#),
            (JavaScript, "12n", "Bigint", None, "12"),
            (JavaScript, "12n\n", "Bigint", None, "-"),
            (
                JavaScript,
                "[1, 'a, b', true] rest",
                "array",
                Some("any"),
                r#"["1","'a","b'","true"]"#,
            ),
            (JavaScript, " [ [1, 2], [x] ]", "array", Some("array"), r#"[[1,2],["x"]]"#),
            (JavaScript, "new Array(1, 2)", "array", Some("integer"), "[1,2]"),
            (JavaScript, "new Array([1],[2])", "array", Some("array"), "[[1],[2]]"),
            (JavaScript, "[\n1]", "array", Some("integer"), r#""[\n1]""#),
            (JavaScript, "[{a: 1}, {b: 2}]", "array", Some("dict"), r#"[{"a":1},{"b":2}]"#),
            (
                JavaScript,
                "{a: 1, 'b': [1, 2], c: x, y: z}",
                "dict",
                None,
                r#"{"a":1,"b":[1,2],"c":"x","y":"z"}"#,
            ),
            (JavaScript, "{a: {b: 1}}", "dict", None, r#"{"a":"{b: 1"}"#),
            (JavaScript, "{a:1,:b:2,  :c}", "dict", None, r#"{"a":1,"b":2,"":"c"}"#),
            (JavaScript, "{a: '1_0', a: .5}", "dict", None, r#"{"a":0.5}"#),
            (JavaScript, " x ", "dict", None, r#""x""#),
        ] {
            assert_eq!(shown(language, text, declared, items), value, "{text} as {declared}");
        }
    }

    #[test]
    fn hostile_text_is_read_quickly() {
        for text in [
            "[[],".repeat(25_000),
            "{a:,".repeat(25_000),
            format!("{{{}}}", "a:b,".repeat(25_000)),
            format!("{{{}}}", ", ".repeat(50_000)),
            "new HashMap<>() { ".repeat(5_000),
            "new ArrayList<>() {{ add(".repeat(4_000),
        ] {
            for language in [Language::Java, Language::JavaScript] {
                for declared in ["Array", "ArrayList", "HashMap", "array", "dict"] {
                    shown(language, &text, declared, Some("integer"));
                }
            }
        }
    }
}
