//! `report.json`: the evaluation as it is, for programs. `docs/report.schema.json` describes it.

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
    use serde_json::Value;

    use super::*;
    use crate::report::markdown::tests::sample;
    use crate::report::sample::sample_full;

    const SCHEMA: &str = include_str!("../../docs/report.schema.json");

    #[test]
    fn reads_back_as_it_was() {
        for evaluation in [sample(true), sample_full()] {
            let text = json(&evaluation).unwrap();
            assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);
        }
    }

    #[test]
    fn is_what_its_schema_says() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for evaluation in [sample(true), sample(false), sample_full(), Evaluation::default()] {
            let report: Value = serde_json::from_str(&json(&evaluation).unwrap()).unwrap();
            let errors: Vec<String> = (validator.iter_errors(&report))
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert_eq!(errors, Vec::<String>::new());
        }
    }

    /// A schema that knows fewer fields than the sample has would have failed above; one that knows
    /// more would describe fields that do not exist, or the sample would lack one.
    #[test]
    fn every_field_of_the_schema_is_described_and_written() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let report = json(&sample_full()).unwrap();
        let objects = schema["$defs"].as_object().unwrap().values().chain([&schema]);
        let mut fields = 0;
        for (name, field) in objects
            .filter_map(|object| object["properties"].as_object())
            .flat_map(|properties| properties.iter())
        {
            assert!(field["description"].as_str().is_some_and(|text| text.len() > 4), "{name}");
            assert!(report.contains(&format!("\"{name}\":")), "{name} is not in the sample");
            fields += 1;
        }
        assert!(fields > 70, "{fields}");
    }

    #[test]
    fn the_schema_refuses_what_is_no_report() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let good: Value = serde_json::from_str(&json(&sample(true)).unwrap()).unwrap();
        let mut unknown = good.clone();
        unknown["suites"][0]["colour"] = Value::from("red");
        let mut wrong = good.clone();
        wrong["suites"][0]["metrics"][0]["base_interval"] = Value::from(vec![0.1]);
        let mut lacking = good;
        lacking.as_object_mut().unwrap().remove("model");
        for report in [unknown, wrong, lacking] {
            assert!(!validator.is_valid(&report));
        }
    }
}
