//! Chat templates: the text a checkpoint wants around a prompt, as Hugging Face renders it.
//!
//! **Invariant:** a template is a program somebody else wrote: it runs with limits on its steps, its
//! depth and what it writes, and whatever goes wrong in it is a sentence.

use std::{
    io,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize as _;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::{CheckpointError, config::Config};

/// Steps a template may take; those of known families take some hundreds.
const FUEL: u64 = 500_000;
/// How deep macros and includes may nest.
const MAX_DEPTH: usize = 64;
/// Bytes a template may write.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// What the one template is called inside.
const NAME: &str = "chat";
const SECS_A_DAY: u64 = 86_400;

/// A chat template with the special tokens it may name. Cloning one copies nothing large.
#[derive(Clone, Debug)]
pub(super) struct ChatTemplate {
    env: Arc<Environment<'static>>,
    bos: Option<String>,
    eos: Option<String>,
}

impl ChatTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// A template that does not parse, in a sentence.
    pub fn read(
        source: String,
        bos: Option<String>,
        eos: Option<String>,
    ) -> Result<Self, CheckpointError> {
        let mut env = environment().map_err(|it| refusal(&it))?;
        env.add_template_owned(NAME, source)
            .map_err(|it| refusal(&it))?;
        Ok(Self {
            env: Arc::new(env),
            bos,
            eos,
        })
    }

    /// The text of a conversation of one message, up to where the model answers.
    ///
    /// # Errors
    /// What the template refuses or gets wrong, and a template that goes beyond its limits.
    pub fn render(&self, prompt: &str, system: Option<&str>) -> Result<String, CheckpointError> {
        let message = |role: &str, content: &str| context! { role, content };
        let system = system.map(|it| message("system", it));
        let messages: Vec<Value> = system
            .into_iter()
            .chain([message("user", prompt)])
            .collect();
        let context = context! {
            messages,
            bos_token => self.bos.as_deref().unwrap_or_default(),
            eos_token => self.eos.as_deref().unwrap_or_default(),
            add_generation_prompt => true,
            tools => (),
            documents => (),
        };
        let mut text = Bounded(Vec::new());
        let template = self.env.get_template(NAME).map_err(|it| refusal(&it))?;
        template
            .render_captured_to(context, &mut text)
            .map_err(|it| refusal(&it))?;
        Ok(String::from_utf8_lossy(&text.0).into_owned())
    }
}

/// The template in `tokenizer_config.json`: a text, or a list of named ones of which `default` is for plain talk.
pub(super) fn template_of(settings: &Config) -> Option<String> {
    let list = match settings.get("chat_template")? {
        serde_json::Value::String(it) => return Some(it.clone()),
        serde_json::Value::Array(it) => it,
        _ => return None,
    };
    let default = list.iter().find(|it| it["name"] == "default");
    let chosen = default.or_else(|| list.first())?;
    chosen["template"].as_str().map(str::to_owned)
}

/// As Hugging Face sets Jinja up.
fn environment() -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    env.set_syntax(syntax);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_unknown_method_callback(unknown_method_callback);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(MAX_DEPTH);
    env.add_filter("tojson", to_json);
    env.add_function("raise_exception", |why: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, why))
    });
    env.add_function("strftime_now", |format: String| strftime(&format, now()));
    Ok(env)
}

/// One sentence on what went wrong in a template.
fn refusal(error: &Error) -> CheckpointError {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => format!("it does not come to an end within {FUEL} steps"),
        ErrorKind::WriteFailure => {
            format!("it writes more than {} MB", MAX_TEXT_BYTES >> 20)
        }
        kind => {
            let detail = error
                .detail()
                .map_or_else(|| kind.to_string(), str::to_owned);
            let line = error
                .line()
                .map_or(String::new(), |it| format!(" (line {it})"));
            format!("{detail}{line}")
        }
    };
    CheckpointError::Template { what }
}

/// Takes bytes up to the limit.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// JSON as Python's `json.dumps` writes it, without escapes for web pages.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a filter is handed its options"
)]
fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Hugging Face's filter knows these too; what they ask for is what is done here anyway.
    for key in ["ensure_ascii", "separators", "sort_keys"] {
        let _: Option<Value> = options.get(key)?;
    }
    options.assert_all_used()?;
    let mut out = Vec::new();
    let written = match indent {
        Some(n) => {
            let spaces = " ".repeat(n.min(16));
            let pretty = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut out, pretty))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)),
    };
    written.map_err(|it| Error::new(ErrorKind::BadSerialization, it.to_string()))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// `{"a": 1, "b": [2, 3]}`.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| it.as_secs())
}

/// The part of `strftime` that templates use, in universal time.
fn strftime(format: &str, secs: u64) -> Result<String, Error> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = [
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
    ];
    let days = secs / SECS_A_DAY;
    let (year, month, day) = civil(days);
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[(days % 7) as usize];
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(it) = letters.next() {
        if it != '%' {
            out.push(it);
            continue;
        }
        let piece = match letters.next() {
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('B') => month_name.to_owned(),
            Some('b') => month_name[..3].to_owned(),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name[..3].to_owned(),
            Some('H') => format!("{hour:02}"),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('%') => "%".to_owned(),
            other => {
                let sign = other.map_or(String::new(), String::from);
                let what = format!("strftime_now does not know %{sign}");
                return Err(Error::new(ErrorKind::InvalidOperation, what));
            }
        };
        out.push_str(&piece);
    }
    Ok(out)
}

/// Year, month and day of a day counted from 1970 on (Howard Hinnant, `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
