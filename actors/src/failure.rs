//! What goes wrong behind a port, and who may hope.
//!
//! Every adapter error ends as one [`Failure`]: *transient* (the same data may pass later) or
//! *definite* (the same data fails for ever), with a sentence for the operator.

use headwater_binlog::assembler::AssembleError;

/// Whether the same data may pass later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Transient,
    /// What the generation was launched on no longer holds (another server answers now): launch anew.
    Superseded,
    Definite,
}

/// A port's error. `message` is the whole chain of causes on one line, without row values or secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub class: Class,
    pub message: String,
    /// What the operator can do about it.
    pub hint: Option<String>,
}

impl Failure {
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            class: Class::Transient,
            message: message.into(),
            hint: None,
        }
    }

    pub fn superseded(message: impl Into<String>) -> Self {
        Self {
            class: Class::Superseded,
            message: message.into(),
            hint: None,
        }
    }

    pub fn definite(message: impl Into<String>) -> Self {
        Self {
            class: Class::Definite,
            message: message.into(),
            hint: None,
        }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn is_definite(&self) -> bool {
        self.class == Class::Definite
    }
}

/// What the log says stays as it is.
impl From<&AssembleError> for Failure {
    fn from(error: &AssembleError) -> Self {
        let failure = Self::definite(format!("{error}: {}", error.cause));
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
