//! Values as Python has them, on whose types and equality BFCL's verdicts rest.

use serde_json::Value;

/// A value of an argument. Unlike JSON of RFC 8259 it may be no number (`NaN`), an infinite one or a
/// whole number of any length, all of which Python's `json.loads` reads.
#[derive(Debug, Clone)]
pub enum Literal {
    /// `None`.
    Null,
    /// `bool`.
    Bool(bool),
    /// `int` that fits.
    Int(i128),
    /// `int` of more digits, as it is written.
    Large(String),
    /// `float`.
    Float(f64),
    /// `str`.
    Text(String),
    /// `list`.
    List(Vec<Literal>),
    /// `dict`; of a key that stands twice the last value counts, in the first one's place.
    Dict(Vec<(String, Literal)>),
}

/// A Python type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Text,
    List,
    Dict,
    /// No value of JSON; one of Java's types becomes it.
    Set,
}

impl Literal {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) | Self::Large(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Text(_) => Kind::Text,
            Self::List(_) => Kind::List,
            Self::Dict(_) => Kind::Dict,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Python's `float(value)` of a whole number.
    pub(super) fn to_float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Large(digits) => digits.parse().ok().filter(|value: &f64| value.is_finite()),
            _ => None,
        }
    }

    /// Python's `==`: numbers by value, `True` and `False` are 1 and 0, no number equals nothing.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.equals_by(other, &|a, b| a == b)
    }

    /// As [`equals`](Self::equals), with strings compared by `same`.
    pub(super) fn equals_by(&self, other: &Self, same: &dyn Fn(&str, &str) -> bool) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(a), Self::Text(b)) => same(a, b),
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals_by(b, same))
            }
            (Self::Dict(a), Self::Dict(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, a)| {
                        let b = b.iter().find(|(other, _)| same(key, other));
                        b.is_some_and(|(_, b)| a.equals_by(b, same))
                    })
            }
            (Self::Large(a), Self::Large(b)) => a == b,
            (Self::Float(float), Self::Large(digits))
            | (Self::Large(digits), Self::Float(float)) => {
                float.is_finite() && format!("{float:.0}") == *digits
            }
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Float(float), whole) | (whole, Self::Float(float)) => {
                whole.whole().is_some_and(|whole| {
                    // Equal only if the float is just this whole number.
                    *float == whole as f64 && *float as i128 == whole
                })
            }
            _ => match (self.whole(), other.whole()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }

    /// Whether two are the same JSON: as [`equals`](Self::equals), but truth values are no numbers.
    pub(super) fn is_identical(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_identical(b))
            }
            (Self::Dict(a), Self::Dict(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, a)| other.get(key).is_some_and(|b| a.is_identical(b)))
            }
            _ => (self.kind() == Kind::Bool) == (other.kind() == Kind::Bool) && self.equals(other),
        }
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Self::Bool(value) => Some(i128::from(*value)),
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dict(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

impl From<&Value> for Literal {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Self::Int(value.into()),
                (None, Some(value)) => Self::Int(value.into()),
                (None, None) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(entries) => Self::Dict(
                entries.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect(),
            ),
        }
    }
}

/// JSON again; what JSON cannot hold is written as Python writes it, as a string.
impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                _ => value.to_string().into(),
            },
            Literal::Large(digits) => digits.as_str().into(),
            Literal::Float(value) => serde_json::Number::from_f64(*value)
                .map_or_else(|| value.to_string().into(), Self::Number),
            Literal::Text(text) => text.as_str().into(),
            Literal::List(items) => Self::Array(items.iter().map(Self::from).collect()),
            Literal::Dict(entries) => Self::Object(
                entries.iter().map(|(key, value)| (key.clone(), value.into())).collect(),
            ),
        }
    }
}
