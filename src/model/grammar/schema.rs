//! From tools to a grammar: what of JSON Schema can be followed byte by byte is followed.
//!
//! Followed: `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`,
//! `minItems`, `maxItems`, `anyOf`, `oneOf`, `allOf`, and `$ref` within the schema. Every
//! other keyword (`pattern`, `minimum`, ..) is let through: a value of the right type may then still be
//! wrong, as without a grammar.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::model::template::hermes::{CALL_CLOSE, CALL_OPEN};
use crate::pair::Tool;

/// Levels of objects and arrays where anything may stand.
const ANY_DEPTH: usize = 6;

/// Levels that a schema is followed for; below, anything of the type may stand.
const SCHEMA_DEPTH: usize = 16;

/// Nodes of a grammar; a schema that takes more (alternatives of alternatives) is let through from there on.
const NODES_MAX: usize = 20_000;

/// Properties of an object that can be told apart; further ones are not offered.
pub(super) const PROPERTIES_MAX: usize = 128;

/// Number of a node.
pub(super) type NodeId = u32;
/// Number of a fixed text.
pub(super) type WordId = u32;

/// What may stand in a place.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A string.
    Text,
    /// A number.
    Number {
        /// Without point and exponent.
        integer: bool,
    },
    /// One of these texts.
    Words(Vec<WordId>),
    /// One of these.
    Either(Vec<NodeId>),
    /// An array.
    Array {
        /// Each of them.
        items: NodeId,
        /// How many at least.
        least: u32,
        /// How many at most.
        most: Option<u32>,
    },
    /// An object.
    Object(Object),
}

/// An object's members, which may come in any order, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    /// The key with its quotes and the colon, and what may stand behind it.
    pub(super) properties: Vec<(WordId, NodeId)>,
    /// A bit for each that must be there.
    pub(super) required: u128,
    /// The keys as bytes between quotes, sorted; members of other names may not have these.
    pub(super) names: Vec<Vec<u8>>,
    /// What members of other names may be, if there may be any.
    pub(super) others: Option<NodeId>,
}

/// What a reply may say, given the tools that are offered.
#[derive(Debug, Clone)]
pub struct Grammar {
    pub(super) nodes: Vec<Node>,
    pub(super) words: Vec<Vec<u8>>,
    /// For each tool the beginning of its call, from behind the mark that opens it, and its arguments.
    pub(super) tools: Vec<(WordId, NodeId)>,
    pub(super) call_end: WordId,
    pub(super) next_call: WordId,
    pub(super) first_call: WordId,
    pub(super) colon: WordId,
    pub(super) brackets: [WordId; 4],
    pub(super) comma: WordId,
    pub(super) space: WordId,
    /// Whether the reply must be calls.
    pub(super) required: bool,
}

impl Grammar {
    /// The grammar of a reply where these tools are offered: free text, or calls in Hermes' form, or both; with
    /// `required`, calls only. Without tools it is free text, whatever is required.
    ///
    /// Text is free until it holds `<tool_call>`: what follows is the call of a tool that is offered, and behind it
    /// come further calls or the end.
    pub fn of_tools(tools: &[Tool], required: bool) -> Self {
        let mut grammar = Self {
            nodes: Vec::new(),
            words: Vec::new(),
            tools: Vec::new(),
            call_end: 0,
            next_call: 0,
            first_call: 0,
            colon: 0,
            brackets: [0; 4],
            comma: 0,
            space: 0,
            required: required && !tools.is_empty(),
        };
        grammar.call_end = grammar.word(&format!("}}\n{CALL_CLOSE}"));
        grammar.next_call = grammar.word(&format!("\n{CALL_OPEN}"));
        grammar.first_call = grammar.word(CALL_OPEN);
        grammar.colon = grammar.word(":");
        grammar.brackets = ["{", "}", "[", "]"].map(|text| grammar.word(text));
        grammar.comma = grammar.word(",");
        grammar.space = grammar.word(" ");
        let any = Any::new(&mut grammar);
        for tool in tools {
            let name = Value::from(tool.function.name.as_str());
            let begins = grammar.word(&format!("\n{{\"name\": {name}, \"arguments\": "));
            let schema = &tool.function.parameters;
            let mut reader =
                Reader { grammar: &mut grammar, root: schema, any: &any, open: Vec::new() };
            let arguments = reader.arguments(schema);
            grammar.tools.push((begins, arguments));
        }
        grammar
    }

    /// Writes characters in fixed texts as `\u` escapes where bytes of them are no tokens: some vocabularies lack
    /// the first bytes of rare characters.
    pub(super) fn escape(&mut self, single: &[bool; 256]) {
        for word in &mut self.words {
            if word.iter().all(|byte| single[usize::from(*byte)]) {
                continue;
            }
            // Beyond ASCII, fixed texts have strings only.
            let mut escaped = String::new();
            for character in String::from_utf8_lossy(word).chars() {
                if character.is_ascii() {
                    escaped.push(character);
                } else {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        let _ = write!(escaped, "\\u{unit:04x}");
                    }
                }
            }
            *word = escaped.into_bytes();
        }
    }

    fn word(&mut self, text: &str) -> WordId {
        self.words.push(text.as_bytes().to_vec());
        self.words.len() as WordId - 1
    }

    fn node(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() as NodeId - 1
    }
}

/// Anything at all, by the levels it may have.
struct Any {
    /// By type's name, with the most levels.
    types: HashMap<&'static str, NodeId>,
    value: NodeId,
}

impl Any {
    fn new(grammar: &mut Grammar) -> Self {
        let text = grammar.node(Node::Text);
        let number = grammar.node(Node::Number { integer: false });
        let integer = grammar.node(Node::Number { integer: true });
        let words = ["true", "false", "null"].map(|text| grammar.word(text));
        let boolean = grammar.node(Node::Words(words[..2].to_vec()));
        let null = grammar.node(Node::Words(words[2..].to_vec()));
        let scalars = vec![text, number, boolean, null];
        let mut value = grammar.node(Node::Either(scalars.clone()));
        let (mut array, mut object) = (value, value);
        for _ in 0..ANY_DEPTH {
            array = grammar.node(Node::Array { items: value, least: 0, most: None });
            object =
                grammar.node(Node::Object(Object { others: Some(value), ..Object::default() }));
            value = grammar.node(Node::Either([&scalars[..], &[array, object]].concat()));
        }
        let types = [
            ("string", text),
            ("number", number),
            ("integer", integer),
            ("boolean", boolean),
            ("null", null),
            ("array", array),
            ("object", object),
        ];
        Self { types: types.into(), value }
    }

    fn of(&self, kind: &str) -> NodeId {
        self.types.get(kind).copied().unwrap_or(self.value)
    }
}

/// Reads one tool's schema.
struct Reader<'a> {
    grammar: &'a mut Grammar,
    root: &'a Value,
    any: &'a Any,
    /// References that are being followed.
    open: Vec<String>,
}

/// The types of JSON Schema.
const TYPES: [&str; 6] = ["string", "number", "boolean", "null", "array", "object"];

impl Reader<'_> {
    /// The arguments of a tool: an object always.
    fn arguments(&mut self, schema: &Value) -> NodeId {
        let Some(map) = schema.as_object().filter(|map| !map.is_empty()) else {
            return self.any.of("object");
        };
        let mut map = map.clone();
        map.insert("type".to_owned(), "object".into());
        self.map(&map, SCHEMA_DEPTH).unwrap_or_else(|| self.any.of("object"))
    }

    /// What a schema allows; none where it allows nothing.
    fn value(&mut self, schema: &Value, depth: usize) -> Option<NodeId> {
        match schema {
            Value::Bool(false) => None,
            Value::Object(map) if !map.is_empty() => self.map(map, depth),
            _ => Some(self.any.value),
        }
    }

    fn map(&mut self, map: &Map<String, Value>, depth: usize) -> Option<NodeId> {
        let listed: Vec<&str> = types(map);
        if depth == 0 || self.grammar.nodes.len() > NODES_MAX {
            return self.either(listed.iter().map(|kind| self.any.of(kind)).collect());
        }
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            return self.reference(map, reference, depth);
        }
        if let Some(parts) = map.get("allOf").and_then(Value::as_array) {
            let base = without(map, "allOf");
            let whole = parts.iter().try_fold(base, |base, part| self.merged(&base, part))?;
            return self.map(&whole, depth - 1);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(parts) =
                map.get(key).and_then(Value::as_array).filter(|all| !all.is_empty())
            {
                let base = without(map, key);
                let found: Vec<NodeId> = parts
                    .iter()
                    .filter_map(|part| {
                        let whole = self.merged(&base, part)?;
                        if whole.is_empty() {
                            return Some(self.any.value);
                        }
                        self.map(&whole, depth - 1)
                    })
                    .collect();
                return self.either(found);
            }
        }
        let fits = |value: &&Value| {
            let own = kind_of(value);
            !map.contains_key("type")
                || listed.iter().any(|kind| *kind == own || is_integer(kind, value))
                || (own == "number" && listed.contains(&"number"))
        };
        let listed_values = map.get("const").map(std::slice::from_ref);
        let listed_values =
            listed_values.or(map.get("enum").and_then(Value::as_array).map(Vec::as_slice));
        if let Some(values) = listed_values.filter(|values| !values.is_empty()) {
            let words: Vec<WordId> = values
                .iter()
                .filter(fits)
                .map(|value| self.grammar.word(&value.to_string()))
                .collect();
            return (!words.is_empty()).then(|| self.grammar.node(Node::Words(words)));
        }
        let found: Vec<NodeId> =
            listed.iter().filter_map(|kind| self.typed(kind, map, depth)).collect();
        self.either(found)
    }

    fn either(&mut self, mut found: Vec<NodeId>) -> Option<NodeId> {
        found.dedup();
        match found.as_slice() {
            [] => None,
            [one] => Some(*one),
            _ => Some(self.grammar.node(Node::Either(found))),
        }
    }

    /// A schema and what one of its parts adds; none where the part allows nothing.
    fn merged(&self, base: &Map<String, Value>, part: &Value) -> Option<Map<String, Value>> {
        let part = match part {
            Value::Bool(false) => return None,
            Value::Object(part) => part,
            _ => return Some(base.clone()),
        };
        // The part may be given by reference; what stands beside that counts too.
        let named = part.get("$ref").and_then(Value::as_str).filter(|_| !base.is_empty());
        let resolved = match named.and_then(|name| self.find(name)) {
            Some(Value::Object(found)) => joined(found, &without(part, "$ref")),
            _ => part.clone(),
        };
        Some(joined(base, &resolved))
    }

    fn find(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn reference(
        &mut self,
        map: &Map<String, Value>,
        reference: &str,
        depth: usize,
    ) -> Option<NodeId> {
        // What lies elsewhere may be anything.
        let Some(found) = self.find(reference).cloned() else { return Some(self.any.value) };
        if self.open.iter().any(|open| open == reference) {
            // What refers to itself may, within itself, be anything of its type.
            let listed = found.as_object().map(types).unwrap_or_default();
            return self.either(listed.iter().map(|kind| self.any.of(kind)).collect());
        }
        let beside = without(map, "$ref");
        let whole = match found {
            Value::Object(found) => Value::Object(joined(&found, &beside)),
            other => other,
        };
        self.open.push(reference.to_owned());
        let node = self.value(&whole, depth - 1);
        self.open.pop();
        node
    }

    fn typed(&mut self, kind: &str, map: &Map<String, Value>, depth: usize) -> Option<NodeId> {
        match kind {
            "array" => Some(self.array(map, depth)),
            "object" => self.object(map, depth),
            _ => Some(self.any.of(kind)),
        }
    }

    fn array(&mut self, map: &Map<String, Value>, depth: usize) -> NodeId {
        let count =
            |key: &str| map.get(key).and_then(Value::as_u64).map(|count| count.min(1 << 16) as u32);
        let (least, most) = (count("minItems").unwrap_or(0), count("maxItems"));
        let items = match map.get("items") {
            None => Some(self.any.value),
            Some(items) => self.value(items, depth - 1),
        };
        let Some(items) = items else {
            return self.grammar.node(Node::Array {
                items: self.any.value,
                least: 0,
                most: Some(0),
            });
        };
        // A contradiction is let through.
        let most = most.filter(|most| *most >= least);
        self.grammar.node(Node::Array { items, least, most })
    }

    fn object(&mut self, map: &Map<String, Value>, depth: usize) -> Option<NodeId> {
        let none = Map::new();
        let properties = map.get("properties").and_then(Value::as_object);
        let required: Vec<&str> = (map.get("required").and_then(Value::as_array))
            .map(|all| all.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let is_open = match map.get("additionalProperties") {
            // A tool's properties are all it knows; an object of which nothing is said may be any.
            None => properties.is_none(),
            Some(schema) => *schema != Value::Bool(false),
        };
        let others = match map.get("additionalProperties") {
            Some(schema) if is_open => self.value(schema, depth - 1),
            _ => is_open.then_some(self.any.value),
        };
        let properties = properties.unwrap_or(&none);
        let missing = required.iter().filter(|name| !properties.contains_key(**name));
        // Those that must be there first, so that none of them is left out.
        let mut all: Vec<(&str, Option<&Value>)> = missing.map(|name| (*name, None)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.dedup_by_key(|(name, _)| *name);
        let (must, may): (Vec<_>, Vec<_>) = (properties.iter())
            .map(|(name, schema)| (name.as_str(), Some(schema)))
            .partition(|(name, _)| required.contains(name));
        all.extend(must);
        let must = all.len();
        if must > PROPERTIES_MAX {
            return Some(self.any.of("object"));
        }
        all.extend(may);
        let mut object = Object { others, ..Object::default() };
        for (at, (name, schema)) in all.into_iter().enumerate() {
            let node = match schema {
                None => Some(others.unwrap_or(self.any.value)),
                Some(schema) => self.value(schema, depth - 1),
            };
            let key = Value::from(name).to_string();
            object.names.push(key.as_bytes()[1..key.len() - 1].to_vec());
            match node {
                // One that must be there and may be nothing: no object fits.
                None if at < must => return None,
                Some(node) if object.properties.len() < PROPERTIES_MAX => {
                    object.required |= u128::from(at < must) << object.properties.len();
                    let word = self.grammar.word(&format!("{key}:"));
                    object.properties.push((word, node));
                }
                _ => {}
            }
        }
        object.names.sort_unstable();
        Some(self.grammar.node(Node::Object(object)))
    }
}

/// The types a schema names; where it names none, those its other keywords are about, or all.
fn types(map: &Map<String, Value>) -> Vec<&str> {
    let listed: Vec<&str> = match map.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let known = |kind: &&str| TYPES.contains(kind) || *kind == "integer";
    let listed: Vec<&str> = listed.into_iter().filter(known).collect();
    if !listed.is_empty() {
        return listed;
    }
    if ["properties", "required"].iter().any(|key| map.contains_key(*key)) {
        vec!["object"]
    } else if map.contains_key("items") {
        vec!["array"]
    } else {
        TYPES.to_vec()
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_integer(kind: &str, value: &Value) -> bool {
    kind == "integer" && value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn without(map: &Map<String, Value>, key: &str) -> Map<String, Value> {
    map.iter().filter(|(name, _)| *name != key).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Both schemas: properties and required names of both, otherwise what the second says.
fn joined(base: &Map<String, Value>, part: &Map<String, Value>) -> Map<String, Value> {
    let mut whole = base.clone();
    for (key, value) in part {
        match (whole.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) if key == "properties" => {
                for (name, schema) in new {
                    let both = match (old.get(name), schema) {
                        (Some(Value::Object(old)), Value::Object(new)) => {
                            Value::Object(joined(old, new))
                        }
                        _ => schema.clone(),
                    };
                    old.insert(name.clone(), both);
                }
            }
            (Some(Value::Array(old)), Value::Array(new)) if key == "required" => {
                old.extend(new.iter().cloned());
            }
            _ => {
                whole.insert(key.clone(), value.clone());
            }
        }
    }
    whole
}
