//! A suite as the two files it is read from.

use super::{Manifest, SUITE_VERSION, Suite};
use crate::failure::{Failure, Result};

impl Suite {
    /// The suite as `suite.toml` and `cases.jsonl`, which [`Suite::parse`] reads.
    ///
    /// # Errors
    /// A defect of this program: a manifest that TOML cannot hold.
    pub fn to_files(&self) -> Result<(String, String)> {
        let manifest = Manifest {
            version: SUITE_VERSION,
            name: self.name.clone(),
            kind: self.kind,
            forgetting: self.forgetting,
            languages: self.languages.clone(),
            licence: self.licence.clone(),
            prompt: self.prompt,
            max_new: Some(self.max_new),
            subsets: self.subsets.clone(),
            title: self.title.clone(),
        };
        let manifest = toml::to_string(&manifest)
            .map_err(|error| Failure::defect(format!("suite.toml: {error}")))?;
        let mut cases = String::new();
        for case in &self.cases {
            cases.push_str(&case.to_line());
            cases.push('\n');
        }
        Ok((manifest, cases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_suite_is_read_again_from_what_is_written() {
        for suite in crate::evaluate::shipped() {
            let (manifest, cases) = suite.to_files().unwrap();
            assert_eq!(Suite::parse(&manifest, &cases).unwrap(), (suite, Vec::new()), "{manifest}");
        }
    }
}
