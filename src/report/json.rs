//! `report.json`: the evaluation as it is, for programs.

use crate::evaluate::Evaluation;
use crate::failure::{Failure, Result};

/// The evaluation as indented JSON with a newline at the end. It reads back as an [`Evaluation`].
pub fn json(evaluation: &Evaluation) -> Result<String> {
    serde_json::to_string_pretty(evaluation)
        .map(|text| text + "\n")
        .map_err(|error| Failure::defect(format!("report.json: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::markdown::tests::sample;

    #[test]
    fn reads_back_as_it_was() {
        let evaluation = sample(true);
        let text = json(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);
    }
}
