//! What stands beside base and tuned in an evaluation: a model behind an endpoint as a column, a judge,
//! and where programs run.

use crate::evaluate::judged::judged;
use crate::evaluate::{AnswerCache, Cached, Column, ColumnKind, Evaluation, Extra, Suite};
use crate::failure::Result;
use crate::job::endpoint_column::EndpointColumn;
use crate::job::programs::Sandbox;
use crate::job::{Desk, EndpointChoice, EvaluateOptions};

/// What stands beside base and tuned, as far as it was asked for.
pub(super) struct Beside {
    column: Option<EndpointColumn>,
    judge: Option<EndpointColumn>,
    /// Where programs run.
    pub sandbox: Option<Sandbox>,
}

impl Beside {
    /// # Errors
    /// When an address is none, or programs cannot be cut off here.
    pub(super) fn new(desk: &Desk<'_>, options: &EvaluateOptions) -> Result<Self> {
        let open = |choice: &Option<EndpointChoice>| {
            let open = |choice| EndpointColumn::new(choice, desk.cancel.clone());
            choice.as_ref().map(open).transpose()
        };
        Ok(Self {
            column: open(&options.endpoint)?,
            judge: open(&options.judge)?,
            sandbox: options.run_programs.then(Sandbox::new).transpose()?,
        })
    }

    /// The columns beside base and tuned.
    pub(super) fn columns(&mut self, options: &EvaluateOptions) -> Vec<Extra<'_>> {
        let (Some(answerer), Some(choice)) = (&mut self.column, &options.endpoint) else {
            return Vec::new();
        };
        let column = Column { name: choice.model.clone(), kind: ColumnKind::Endpoint };
        vec![Extra { column, answerer, tuned: false }]
    }

    /// Has the judge, if there is one, look at the answers to `suites`. Nothing when it was stopped.
    ///
    /// # Errors
    /// When the judge fails altogether.
    pub(super) fn judge(
        &mut self,
        desk: &mut Desk<'_>,
        options: &EvaluateOptions,
        cache: &mut dyn AnswerCache,
        (evaluation, suites): (&mut Evaluation, &[Suite]),
    ) -> Result<Option<()>> {
        let (Some(judge), Some(choice)) = (&mut self.judge, &options.judge) else {
            return Ok(Some(()));
        };
        let identity = format!("{} {}", choice.url, choice.model);
        let mut judge = Cached::new(judge, cache, [identity.clone(), identity]);
        judged(evaluation, suites, &mut judge, &mut desk.progress())
    }
}

/// A cache that holds nothing.
pub(super) struct Nowhere;

impl AnswerCache for Nowhere {
    fn get(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn put(&mut self, _: &[(String, String)]) -> Result<()> {
        Ok(())
    }
}
