//! Conditions on the figures of an evaluation, as a script states them: `params>=0.9`.

use std::fmt;

use serde::Serialize;

use super::values;
use crate::evaluate::Evaluation;
use crate::failure::{Failure, Result};

/// A name, a comparison and a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    name: String,
    comparison: Comparison,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
}

impl Comparison {
    /// Two-letter signs first: they begin like the others.
    const ALL: [(&'static str, Self); 4] =
        [(">=", Self::AtLeast), ("<=", Self::AtMost), (">", Self::MoreThan), ("<", Self::LessThan)];

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::AtLeast => value >= bound,
            Self::MoreThan => value > bound,
            Self::AtMost => value <= bound,
            Self::LessThan => value < bound,
        }
    }
}

/// A condition and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The condition.
    pub condition: String,
    /// The figure.
    pub value: f64,
    /// Whether it holds.
    pub holds: bool,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Comparison::ALL.iter().find(|(_, comparison)| *comparison == self.comparison);
        let sign = known.map_or("", |(sign, _)| sign);
        write!(f, "{}{sign}{}", self.name, self.bound)
    }
}

impl Condition {
    /// Reads conditions with commas between them. Shares are written as `0.9` or `90%`.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Failure::user(format!("condition `{text}`: {why}"))
                .hint("conditions are written like `params>=0.9,forgetting>=-0.03`")
        };
        let signs = Comparison::ALL
            .iter()
            .filter_map(|(sign, comparison)| text.find(sign).map(|at| (at, *sign, *comparison)));
        let first = signs.min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
        let (at, sign, comparison) =
            first.ok_or_else(|| wrong("it has none of >=, >, <= and <"))?;
        let name: String =
            text.get(..at).unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
        let number = text.get(at + sign.len()..).unwrap_or_default().trim();
        let (number, scale) = match number.strip_suffix('%') {
            Some(percent) => (percent.trim(), 100.0),
            None => (number, 1.0),
        };
        let bound: f64 = number.parse().map_err(|_| wrong("what follows is no number"))?;
        if name.is_empty() || !bound.is_finite() {
            return Err(wrong("it compares no figure with a number"));
        }
        Ok(Self { name, comparison, bound: bound / scale })
    }

    /// Looks whether the condition holds; an error lists the names there are if its own is unknown.
    pub fn check(&self, evaluation: &Evaluation) -> Result<Outcome> {
        let values = values(evaluation);
        let named = |name: &str| values.iter().find(|(known, _)| known == name);
        // A suite's name may be written as it is or with a point for the bar.
        let found = named(&self.name).or_else(|| {
            let suites = evaluation.suites.iter().map(|suite| &suite.name);
            let spelled = suites.fold(self.name.clone(), |name, suite| {
                name.replace(&format!("{}.", suite.replace('/', ".")), &format!("{suite}."))
            });
            named(&spelled)
        });
        let Some((_, value)) = found else {
            let known: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Failure::user(format!("no figure is called `{}`", self.name))
                .hint(format!("the figures are {}", known.join(", "))));
        };
        let holds = self.comparison.holds(*value, self.bound);
        Ok(Outcome { condition: self.to_string(), value: *value, holds })
    }
}

/// An error that names every condition that does not hold, with its figure.
pub fn refuse(name: &str, outcomes: &[Outcome]) -> Result<()> {
    let failed: Vec<String> = (outcomes.iter())
        .filter(|outcome| !outcome.holds)
        .map(|outcome| format!("{} is not so: {:.4}", outcome.condition, outcome.value))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::user(format!("{name} does not meet what is required\n{}", failed.join("\n"))))
}
