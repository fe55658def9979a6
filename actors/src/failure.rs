//! What goes wrong behind a port, and who may hope.
//!
//! Every adapter error ends as one [`Failure`]: *transient* (the same data may pass later), *definite* (it fails
//! for ever) or *superseded*. Decisions read its class, its [`Code`] and the types of its causes, never its text.
//! The line that people read is built in one place, its `Display`: what was being done, the widest first, then the
//! causes; made printable and cut there, as the hint is, since servers and names have a say in both. Row values and
//! secrets stay out of it: an adapter gives no cause whose own text could show them.

use std::{error::Error as StdError, fmt, io, iter, sync::Arc};

use headwater_binlog::assembler::AssembleError;

use crate::printable::printable;

/// Characters of a failure's line, and of its hint, that are shown.
const LINE_CHARS_MAX: usize = 4_000;

/// Whether the same data may pass later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Transient,
    /// What the generation was launched on no longer holds (another server answers now): launch anew.
    Superseded,
    Definite,
}

/// The codes by which programs tell failures apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// A server's error number, and the SQLSTATE beside it.
    MySql {
        number: u16,
        state: String,
    },
    /// AWS's own word, as in `ThrottlingException`.
    Aws(String),
    /// The status of an HTTP answer that has no such word.
    Http(u16),
    Io(io::ErrorKind),
    /// Ours: the other side's certificate is not trusted, or those to trust cannot be read.
    Certificate,
    /// Ours: no answer within the time set for it.
    Late,
}

impl Code {
    /// The kind of the first [`io::Error`] among an error and its causes.
    pub fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let error = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>())?;
        Some(Self::Io(error.kind()))
    }
}

type Cause = dyn StdError + Send + Sync;

/// A port's error. Cheap to clone.
///
/// Two are equal when class, code, line and hint are: the causes count by what the line says of them.
#[derive(Debug, Clone)]
pub struct Failure {
    pub class: Class,
    /// None: nothing decides on it.
    pub code: Option<Code>,
    /// What the operator can do about it.
    pub hint: Option<String>,
    /// The action or the problem in our words, the widest first.
    context: Vec<String>,
    cause: Option<Arc<Cause>>,
}

impl Failure {
    pub fn transient(context: impl Into<String>) -> Self {
        Self::new(Class::Transient, vec![context.into()])
    }

    pub fn superseded(context: impl Into<String>) -> Self {
        Self::new(Class::Superseded, vec![context.into()])
    }

    pub fn definite(context: impl Into<String>) -> Self {
        Self::new(Class::Definite, vec![context.into()])
    }

    /// For a cause that says all by itself.
    pub fn of(class: Class, cause: impl Into<Box<Cause>>) -> Self {
        Self::new(class, Vec::new()).because(cause)
    }

    fn new(class: Class, context: Vec<String>) -> Self {
        Self {
            class,
            code: None,
            hint: None,
            context,
            cause: None,
        }
    }

    /// Why, which the line tells last. A cause that is an [`io::Error`], or has one, gives the code.
    pub fn because(mut self, cause: impl Into<Box<Cause>>) -> Self {
        let cause: Arc<Cause> = cause.into().into();
        self.code = self.code.or_else(|| Code::of(&*cause));
        self.cause = Some(cause);
        self
    }

    /// Puts in front what it was a part of, as in `lane "shop.orders"`.
    pub fn within(mut self, context: impl Into<String>) -> Self {
        self.context.insert(0, context.into());
        self
    }

    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    pub fn with_class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(printable(&hint.into(), LINE_CHARS_MAX).into_owned());
        self
    }

    pub fn is_definite(&self) -> bool {
        self.class == Class::Definite
    }

    /// Whether a MySQL server said this number.
    pub fn is_mysql(&self, wanted: u16) -> bool {
        matches!(self.code, Some(Code::MySql { number, .. }) if number == wanted)
    }

    /// Whether AWS said this word.
    pub fn is_aws(&self, wanted: &str) -> bool {
        matches!(&self.code, Some(Code::Aws(word)) if word == wanted)
    }

    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.context.join(": ");
        if let Some(cause) = self.cause() {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&chain(cause));
        }
        f.write_str(&printable(&line, LINE_CHARS_MAX))
    }
}

/// Without a source: whoever prints the causes too would say them twice.
impl StdError for Failure {}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        self.class == other.class
            && self.code == other.code
            && self.hint == other.hint
            && self.to_string() == other.to_string()
    }
}

impl Eq for Failure {}

/// An error, its cause, that one's cause, also where one is wrapped in an [`io::Error`].
pub fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

/// Causes on one line; what an error's own text repeats of its cause is said once.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut last = line.clone();
    for cause in causes(error).skip(1) {
        let text = cause.to_string();
        if !last.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
            last = text;
        }
    }
    line
}

/// What the log says stays as it is.
impl From<&AssembleError> for Failure {
    fn from(error: &AssembleError) -> Self {
        let failure = Self::of(Class::Definite, error.clone());
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("write the checkpoint: {source}")]
    struct Wrapped {
        source: io::Error,
    }

    fn full() -> io::Error {
        io::Error::new(io::ErrorKind::StorageFull, "no space left")
    }

    #[test]
    fn the_line_goes_from_the_widest_context_to_the_last_cause_and_repeats_nothing() {
        let failure = Failure::transient("store the position")
            .because(Wrapped { source: full() })
            .within("pipeline \"shop\"");
        assert_eq!(
            failure.to_string(),
            "pipeline \"shop\": store the position: write the checkpoint: no space left"
        );
        assert!(failure.source().is_none(), "the line has said it");
        let failure = Failure::of(Class::Definite, full());
        assert_eq!(failure.to_string(), "no space left");
    }

    #[test]
    fn the_cause_keeps_its_type_and_gives_its_kind_as_the_code() {
        let wrapped = io::Error::other(Wrapped { source: full() });
        let failure = Failure::transient("store").because(full()).clone();
        assert_eq!(failure.code, Some(Code::Io(io::ErrorKind::StorageFull)));
        assert!(failure.cause().is_some_and(|cause| cause.is::<io::Error>()));
        assert!(causes(&wrapped).any(|cause| cause.is::<Wrapped>()));
        let failure = Failure::transient("ask")
            .with_code(Code::Late)
            .because(full());
        assert_eq!(failure.code, Some(Code::Late));
    }

    #[test]
    fn what_a_server_says_cannot_act_on_who_reads_it_and_has_a_limit() {
        let said = format!("no table '\u{1b}[2J\u{202e}x\n' {}", "y".repeat(10_000));
        let failure = Failure::definite("open").because(io::Error::other(said.clone()));
        let line = failure.with_hint(said.clone()).to_string();
        assert!(
            line.starts_with(r"open: no table '\u{1b}[2J\u{202e}x\n' yyy"),
            "{line}"
        );
        assert!(line.chars().count() < LINE_CHARS_MAX + 50, "{line}");
        let hint = Failure::definite("open").with_hint(said).hint.unwrap();
        assert!(
            hint.starts_with(r"no table '\u{1b}[2J\u{202e}x\n' yyy"),
            "{hint}"
        );
        assert!(hint.chars().count() < LINE_CHARS_MAX + 50, "{hint}");
    }

    #[test]
    fn failures_are_equal_by_class_code_line_and_hint() {
        let said = Failure::transient("open: no space left");
        assert_eq!(said.clone(), said);
        assert_ne!(said, Failure::definite("open: no space left"));
        assert_ne!(said, said.clone().with_hint("make room"));
        let caused = Failure::transient("open").because(full());
        assert_eq!(said.to_string(), caused.to_string());
        assert_ne!(said, caused, "the code tells them apart");
        assert_eq!(said.with_code(Code::Io(io::ErrorKind::StorageFull)), caused);
    }
}
