//! Arguments counted one by one: precision, recall and what is wrong with each.

use super::error::Fault;
use super::{Expectation, Expected, Found, Rules, matching, value};
use crate::evaluate::result::ArgumentCounts;

impl Expectation {
    /// Counts the arguments of the calls found. Calls of one name are paired, the pair with the most
    /// right arguments first.
    pub fn counts(&self, found: &[Found], rules: Rules) -> ArgumentCounts {
        let score = |row: usize, column: usize| {
            let (expected, found) = self.calls.get(row).zip(found.get(column))?;
            let alike = found.name.text() == Some(expected.name.as_str());
            alike.then(|| expected.counts(found, rules).right)
        };
        let pairs = matching::by_score(self.calls.len(), found.len(), &score);
        let mut counts = ArgumentCounts::default();
        for (row, expected) in self.calls.iter().enumerate() {
            let partner = pairs.iter().find(|(paired, _)| *paired == row);
            if let Some(found) = partner.and_then(|(_, column)| found.get(*column)) {
                counts.add(&expected.counts(found, rules));
            } else {
                let needed = expected.needed.len() as u32;
                counts.expected += needed;
                counts.missing += needed;
            }
        }
        for (column, found) in found.iter().enumerate() {
            if !pairs.iter().any(|(_, paired)| *paired == column) {
                let given = found.arguments.len() as u32;
                counts.given += given;
                counts.extra += given;
                let known = self.calls.iter().any(|call| found.name.text() == Some(&call.name));
                counts.wrong_name += u32::from(!known);
            }
        }
        counts
    }
}

impl Expected {
    fn counts(&self, found: &Found, rules: Rules) -> ArgumentCounts {
        let mut counts =
            ArgumentCounts { given: found.arguments.len() as u32, ..Default::default() };
        for (name, value) in &found.arguments {
            let Some(parameter) = self.parameter(name) else {
                counts.extra += 1;
                continue;
            };
            // One that may be left out counts as expected where it is given.
            counts.expected += u32::from(!self.needed.contains(name));
            match value::check(parameter, value, rules) {
                Ok(()) => counts.right += 1,
                Err(Fault::Type | Fault::NestedType) => counts.wrong_type += 1,
                Err(_) => counts.wrong_value += 1,
            }
        }
        counts.expected += self.needed.len() as u32;
        let given = |name: &String| found.arguments.iter().any(|(given, _)| given == name);
        counts.missing = self.needed.iter().filter(|name| !given(name)).count() as u32;
        counts
    }
}
