//! The one error type that reaches a user: what went wrong, whose fault it is, and what to do.

use std::fmt;

/// Result whose error can be shown to a user as it is.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Whose fault a failure is; decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The user's input or environment: exit status 1.
    User,
    /// A defect of this program: exit status 2.
    Defect,
}

/// An error with a message in the form "what failed: why" and hints that say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub kind: FailureKind,
    /// One or more lines; names the file, line or key concerned.
    pub message: String,
    /// What the user can do about it, one sentence each.
    pub hints: Vec<String>,
}

impl Failure {
    /// Makes a failure caused by the user's input or environment.
    pub fn user(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::User, message: message.into(), hints: Vec::new() }
    }

    /// Makes a failure caused by a defect of this program.
    pub fn defect(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Defect, message: message.into(), hints: Vec::new() }
    }

    /// Adds a sentence that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts `context` before the message, as in "context: message".
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The process exit status for this failure.
    pub fn exit_status(&self) -> u8 {
        match self.kind {
            FailureKind::User => 1,
            FailureKind::Defect => 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Adds the file or thing concerned to a foreign error.
pub trait Context<T> {
    /// Turns the error into a user's [`Failure`] with the message "what: error".
    fn because(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn because(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure::user(format!("{what}: {error}")))
    }
}
