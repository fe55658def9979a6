//! Logs: one line an event on standard error, as text or JSON.
//!
//! `RUST_LOG` chooses what is logged; without it our own crates log from INFO and all others from WARN.
//! Colours appear only on a terminal. A panic becomes one ERROR line with its place, so that it reaches
//! whoever collects logs; its text is cut, as a panic of the standard library may quote what it worked on.

use std::{io::IsTerminal, panic::PanicHookInfo};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::{Error, LogFormat};

/// The SDK warns of every place where it finds no credentials or region; what is missing is our own error.
/// Covers `headwater`, `headwater_actors` and `headwater_binlog`: a directive matches by prefix.
const DEFAULT_FILTER: &str = "warn,aws_config=error,headwater=info";

/// Characters of a panic's text that are logged.
const PANIC_CHARS_MAX: usize = 200;

/// Logs of this process go to standard error from now on, panics too.
pub fn start(format: LogFormat) -> Result<(), Error> {
    let written = std::env::var("RUST_LOG").unwrap_or_default();
    let is_coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = if is_coloured {
        Paint::Ansi
    } else {
        Paint::Plain
    };
    let subscriber = subscriber(format, paint, filter(&written)?, std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::LogsInstalled)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Whether lines carry terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Ansi,
    Plain,
}

/// What is logged, from the text of `RUST_LOG`; empty means the default.
pub fn filter(written: &str) -> Result<EnvFilter, Error> {
    let text = match written.trim() {
        "" => DEFAULT_FILTER,
        text => text,
    };
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| Error::LogFilter {
            filter: text.to_owned(),
            error,
        })
}

/// The lines, to any writer.
pub fn subscriber<W>(
    format: LogFormat,
    paint: Paint,
    filter: EnvFilter,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        LogFormat::Text => Box::new(builder.with_ansi(paint == Paint::Ansi).finish()),
        LogFormat::Json => Box::new(
            builder
                .with_ansi(false)
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .finish(),
        ),
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = panic
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    tracing::error!(
        place,
        thread = thread.name().unwrap_or("unnamed"),
        cause = panic_text(panic.payload_as_str().unwrap_or("no text")),
        "panicked; this is a bug, please report it",
    );
}

/// One line, cut.
fn panic_text(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(PANIC_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, written: &str, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, Paint::Plain, filter(written).unwrap(), move || {
            writer.clone()
        });
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_the_fields_on_top() {
        let text = logged(LogFormat::Json, "", || {
            let span = tracing::info_span!("writer", lane = "shop.orders");
            let _entered = span.enter();
            tracing::info!(generation = 3, "lane \"ready\"\nnow");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "lane \"ready\"\nnow");
        assert_eq!(line["generation"], 3);
        assert_eq!(line["span"]["lane"], "shop.orders");
        assert!(line["timestamp"].is_string(), "{line}");
    }

    #[test]
    fn text_without_a_terminal_has_no_colours() {
        let text = logged(LogFormat::Text, "", || {
            tracing::warn!(shard = "s-1", "throttled")
        });
        assert!(
            text.contains("WARN") && text.contains("throttled shard=\"s-1\""),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn by_default_our_crates_log_from_info_and_others_from_warn() {
        let text = logged(LogFormat::Text, " ", || {
            tracing::debug!("ours, debug");
            tracing::info!(target: "headwater_actors::router", "ours, info");
            tracing::info!(target: "hyper", "theirs, info");
            tracing::warn!(target: "hyper", "theirs, warn");
        });
        assert!(
            !text.contains("debug") && !text.contains("theirs, info"),
            "{text}"
        );
        assert!(
            text.contains("ours, info") && text.contains("theirs, warn"),
            "{text}"
        );
    }

    #[test]
    fn rust_log_decides_when_it_is_set() {
        let text = logged(LogFormat::Text, "headwater=debug", || {
            tracing::debug!("read")
        });
        assert!(text.contains("read"), "{text}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused_with_its_name() {
        let error = filter("headwater=loud").unwrap_err().to_string();
        assert!(
            error.contains("RUST_LOG") && error.contains("`headwater=loud`"),
            "{error}"
        );
    }

    #[test]
    fn a_panic_is_one_short_line() {
        let text = panic_text(&format!("first\nsecond\u{1b}[1m {}", "x".repeat(5000)));
        assert!(text.starts_with("first second [1m x"), "{text}");
        assert_eq!(text.chars().count(), PANIC_CHARS_MAX);
    }
}
