//! Logs: one line an event on standard error, as text or JSON.
//!
//! `RUST_LOG` chooses what is logged; without it our own crates log from INFO and all others from WARN.
//! Colours appear only on a terminal. What a line quotes from outside is made printable and cut here, for all
//! lines. A panic becomes one ERROR line with its place, so that it reaches whoever collects logs; its text is cut
//! shorter, as a panic of the standard library may quote what it worked on. Not here: how a line gets out, and when
//! it is lost (`stderr`).

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    panic::PanicHookInfo,
    time::Duration,
};

use headwater_actors::printable::{cut, printable, printable_json};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        MakeWriter, format,
        time::{FormatTime, SystemTime},
    },
};

use super::{Error, LogFormat, stderr};

/// The SDK warns of every place where it finds no credentials or region; what is missing is our own error.
/// Covers `headwater`, `headwater_actors` and `headwater_binlog`: a directive matches by prefix.
const DEFAULT_FILTER: &str = "warn,aws_config=error,headwater=info";

/// Characters of a line of text; of each string in a line of JSON that is longer.
const LINE_CHARS_MAX: usize = 12_000;
/// Characters of a panic's text that are logged.
const PANIC_CHARS_MAX: usize = 200;
/// How long the end of the program waits for its last lines to be read.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// Logs of this process go to standard error from now on, panics too.
pub fn start(format: LogFormat) -> Result<(), Error> {
    let written = std::env::var("RUST_LOG").unwrap_or_default();
    let is_coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = if is_coloured {
        Paint::Ansi
    } else {
        Paint::Plain
    };
    let lines = stderr::lines().map_err(Error::LogThread)?.clone();
    let of_panics = lines.clone();
    let subscriber = subscriber(format, paint, filter(&written)?, move || {
        Said(lines.clone())
    });
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::LogsInstalled)?;
    std::panic::set_hook(Box::new(move |panic| {
        of_panics.say(panic_line(format, panic).as_bytes());
    }));
    Ok(())
}

/// A line on standard error of a command that ends. It is lost where nobody can read it: the exit code is left.
pub fn say(line: &str) {
    if let Ok(lines) = stderr::lines() {
        lines.say(format!("{}\n", printable(line, LINE_CHARS_MAX)).as_bytes());
    }
}

/// The last lines come out, if somebody reads them within a second.
pub fn flush() {
    stderr::flush(LAST_LINES_WITHIN);
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

/// The lines, to any writer, which gets each in one piece.
pub fn subscriber<W>(
    format: LogFormat,
    paint: Paint,
    filter: EnvFilter,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let to = Shaping {
        format,
        paint,
        to: writer,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(to);
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

/// Hands each line on once it may be read by people.
struct Shaping<W> {
    format: LogFormat,
    paint: Paint,
    to: W,
}

struct Shaped<W> {
    format: LogFormat,
    paint: Paint,
    to: W,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Shaping<W> {
    type Writer = Shaped<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Shaped {
            format: self.format,
            paint: self.paint,
            to: self.to.make_writer(),
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Shaped {
            format: self.format,
            paint: self.paint,
            to: self.to.make_writer_for(metadata),
        }
    }
}

impl<W: Write> Write for Shaped<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut shown = match (self.format, self.paint) {
            (LogFormat::Json, _) => printable_json(shortened(text)),
            (LogFormat::Text, Paint::Plain) => printable(text, LINE_CHARS_MAX).into_owned(),
            (LogFormat::Text, Paint::Ansi) => painted(text),
        };
        shown.push('\n');
        self.to.write_all(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The line without what is not printable, but for the colours of the formatter: it escapes those of values.
fn painted(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut shown = printable(parts.next().unwrap_or_default(), LINE_CHARS_MAX).into_owned();
    for part in parts {
        let is_of_a_colour = |letter: char| letter.is_ascii_digit() || letter == ';';
        let colour = part.strip_prefix('[').and_then(|colour| {
            let text = colour.trim_start_matches(is_of_a_colour);
            text.strip_prefix('m')
        });
        let text = colour.unwrap_or(part);
        let (sequence, _) = part.split_at(part.len() - text.len());
        shown.push_str(if colour.is_some() {
            "\u{1b}"
        } else {
            r"\u{1b}"
        });
        shown.push_str(sequence);
        shown.push_str(&printable(text, LINE_CHARS_MAX));
    }
    shown
}

/// A line of JSON, in a longer one each string cut.
fn shortened(line: &str) -> String {
    if line.len() <= LINE_CHARS_MAX {
        return line.to_owned();
    }
    match serde_json::from_str(line) {
        Ok(mut value) => {
            shorten(&mut value);
            value.to_string()
        }
        // The formatter gives nothing else.
        Err(_) => serde_json::Value::from(cut(line, LINE_CHARS_MAX)).to_string(),
    }
}

fn shorten(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            if let Cow::Owned(shorter) = cut(text, LINE_CHARS_MAX) {
                *text = shorter;
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(shorten),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => (),
    }
}

/// One line of the process's own standard error.
struct Said(stderr::Lines);

impl Write for Said {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.say(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PANICKED: &str = "panicked; this is a bug, please report it";

/// Made without the subscriber: a panic may come out of it, and a panic in here would end the process.
fn panic_line(format: LogFormat, panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place = panic
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let cause = panic_text(panic.payload_as_str().unwrap_or("no text"));
    let mut time = String::new();
    if SystemTime
        .format_time(&mut format::Writer::new(&mut time))
        .is_err()
    {
        time.clear();
    }
    let target = module_path!();
    match format {
        LogFormat::Json => {
            let line = serde_json::json!({
                "timestamp": time, "level": "ERROR", "message": PANICKED, "place": place,
                "thread": thread, "cause": cause, "target": target,
            });
            format!("{line}\n")
        }
        LogFormat::Text => format!(
            "{time} ERROR {target}: {PANICKED} place={place:?} thread={thread:?} cause={cause:?}\n"
        ),
    }
}

/// One line, cut.
fn panic_text(text: &str) -> Cow<'_, str> {
    printable(text, PANIC_CHARS_MAX)
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
        let text = panic_text("first\nsecond\u{1b}[1m");
        assert_eq!(text, r"first\nsecond\u{1b}[1m");
        let text = panic_text(&"x".repeat(5000)).into_owned();
        assert_eq!(text, format!("{}… (4800 characters more)", "x".repeat(200)));
    }

    const HOSTILE: &str = "a\u{1b}[31mb\nc\u{202e}d\u{9b}";

    fn log_hostile() {
        let span = tracing::info_span!("writer", lane = HOSTILE);
        let _entered = span.enter();
        let error = io::Error::other(HOSTILE);
        tracing::info!(%error, debug = ?HOSTILE, plain = HOSTILE, "table {HOSTILE}");
    }

    #[test]
    fn text_from_outside_cannot_end_a_line_move_a_cursor_or_turn_the_writing() {
        let text = logged(LogFormat::Text, "", log_hostile);
        assert_eq!(text.lines().count(), 1, "{text:?}");
        let is_bad = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
        assert!(!text.contains(is_bad), "{text:?}");
        assert_eq!(text.matches(r"\u{202e}").count(), 5, "{text:?}");
        let text = logged(LogFormat::Json, "", log_hostile);
        assert!(
            text.lines().count() == 1 && !text.contains(is_bad),
            "{text:?}"
        );
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], format!("table {HOSTILE}"));
        assert_eq!(line["span"]["lane"], HOSTILE);
    }

    #[test]
    fn on_a_terminal_the_colours_are_ours_alone() {
        let shown = painted("\u{1b}[2mINFO\u{1b}[0m \u{1b}]0;title\u{7} \u{202e}x \u{1b}[2J");
        assert_eq!(
            shown,
            "\u{1b}[2mINFO\u{1b}[0m \\u{1b}]0;title\\u{7} \\u{202e}x \\u{1b}[2J"
        );
    }

    #[test]
    fn a_line_has_a_limit() {
        let long = "ß".repeat(100_000);
        let log = || tracing::warn!(statement = long, "halted");
        let text = logged(LogFormat::Text, "", log);
        assert!(text.chars().count() < LINE_CHARS_MAX + 50, "{}", text.len());
        assert!(text.ends_with(" characters more)\n"), "{text}");
        let text = logged(LogFormat::Json, "", log);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "halted");
        let statement = line["statement"].as_str().unwrap();
        assert!(
            statement.ends_with("ß… (88000 characters more)"),
            "{}",
            statement.len()
        );
    }
}
