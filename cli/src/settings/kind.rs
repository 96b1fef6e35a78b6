//! What values a key takes, and how text (a flag, a variable) and TOML (the file) become one normal form.

use toml::Value;

use super::units::{Size, Span, SpanOrOff, parse_count, parse_factor, parse_rate, parse_time};

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Any text that is not empty.
    Text,
    /// A URL of one of these schemes; its user information is secret.
    Url(&'static [&'static str]),
    /// Texts, separated by commas.
    List,
    /// Yes or no; a flag without a value says yes.
    Switch,
    /// A whole number within bounds.
    Count {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// Readings per second.
    Rate,
    /// A factor.
    Factor,
    /// A number of bytes.
    Size,
    /// A span of time.
    Span,
    /// A span of time or `off`.
    SpanOrOff,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `committed`, `earliest`, `latest` or a time.
    Start,
    /// A number.
    Number,
    /// Three whole numbers, the worst class first.
    Points,
    /// Properties of librdkafka.
    Properties,
    /// Tables of rules, by facility.
    Facilities,
}

impl Kind {
    /// The normal form of a value given as text.
    pub(crate) fn parse_text(self, text: &str) -> Result<Value, String> {
        match self {
            Kind::Text if text.is_empty() => Err("is empty".to_owned()),
            Kind::Text => Ok(Value::String(text.to_owned())),
            Kind::Url(schemes) => url(text, schemes),
            Kind::List => list(text.split(',')),
            Kind::Switch => match text {
                "true" => Ok(Value::Boolean(true)),
                "false" => Ok(Value::Boolean(false)),
                _ => Err(format!("{text:?} is neither true nor false")),
            },
            Kind::Count { min, max } => within(parse_count(text)?, min, max),
            Kind::Rate => parse_rate(text).map(|_| Value::String(text.trim().to_owned())),
            Kind::Factor => parse_factor(text).map(|_| Value::String(text.trim().to_owned())),
            Kind::Size => text.parse::<Size>().map(|size| Value::String(size.into())),
            Kind::Span => text.parse::<Span>().map(|span| Value::String(span.into())),
            Kind::SpanOrOff => text.parse::<SpanOrOff>().map(|span| Value::String(span.into())),
            Kind::Choice(words) if words.contains(&text) => Ok(Value::String(text.to_owned())),
            Kind::Choice(words) => Err(format!("{text:?} is none of {}", words.join(", "))),
            Kind::Start => start(text),
            Kind::Number => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Value::Float(number)),
                _ => Err(format!("{text:?} is not a number")),
            },
            Kind::Points => {
                let numbers = text.split(',').map(|n| parse_count(n).map(Value::from_count));
                points(numbers.collect::<Result<_, _>>()?)
            }
            Kind::Properties => properties(text),
            Kind::Facilities => match format!("facilities = {text}").parse::<toml::Table>() {
                Ok(mut table) => self.parse_toml(table.remove("facilities").unwrap_or(Value::Boolean(false))),
                Err(e) => Err(format!("is not an inline TOML table: {}", e.message())),
            },
        }
    }

    /// The normal form of a value given in TOML.
    pub(crate) fn parse_toml(self, value: Value) -> Result<Value, String> {
        match (self, value) {
            (Kind::List, Value::Array(items)) => {
                let texts: Result<Vec<_>, _> = items.iter().map(text_of).collect();
                list(texts?.into_iter())
            }
            (Kind::List, value) => self.parse_text(text_of(&value)?),
            (Kind::Switch, Value::Boolean(yes)) => Ok(Value::Boolean(yes)),
            (Kind::Count { min, max }, Value::Integer(n)) => match u64::try_from(n) {
                Ok(n) => within(n, min, max),
                Err(_) => Err(format!("{n} is negative")),
            },
            (Kind::Number, Value::Float(n)) if n.is_finite() => Ok(Value::Float(n)),
            (Kind::Number, Value::Integer(n)) => self.parse_text(&n.to_string()),
            (Kind::Points, Value::Array(items)) => points(items),
            (Kind::Properties, Value::Table(table)) => {
                let mut flat = toml::Table::new();
                flatten("", table, &mut flat)?;
                Ok(Value::Table(flat))
            }
            (Kind::Facilities, Value::Table(table)) => Ok(Value::Table(table)),
            (Kind::Facilities, _) => Err("must be a table with a table per facility".to_owned()),
            (Kind::Properties, _) => Err("must be a table".to_owned()),
            (Kind::Points, _) => Err("must be three whole numbers, such as [40, 20, 0]".to_owned()),
            (Kind::Switch, _) => Err("must be true or false, without quotes".to_owned()),
            (Kind::Number, _) => Err("must be a number, without quotes".to_owned()),
            (Kind::Start, Value::Datetime(time)) => self.parse_text(&time.to_string()),
            (_, value) => self.parse_text(text_of(&value)?),
        }
    }

    /// How the reference names the type.
    pub(crate) fn describe(self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Url(_) => "URL".to_owned(),
            Kind::List => "list".to_owned(),
            Kind::Switch => "true or false".to_owned(),
            Kind::Count { min, max: u64::MAX } => format!("count from {min}"),
            Kind::Count { min, max } => format!("count {min} to {max}"),
            Kind::Rate => "rate".to_owned(),
            Kind::Factor => "factor".to_owned(),
            Kind::Size => "size".to_owned(),
            Kind::Span => "span".to_owned(),
            Kind::SpanOrOff => "span or off".to_owned(),
            Kind::Choice(words) => words.join(", "),
            Kind::Start => "committed, earliest, latest or a time".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Points => "three counts".to_owned(),
            Kind::Properties => "table of properties".to_owned(),
            Kind::Facilities => "table of tables".to_owned(),
        }
    }
}

/// A count as TOML has it.
trait FromCount {
    fn from_count(count: u64) -> Value;
}

impl FromCount for Value {
    fn from_count(count: u64) -> Value {
        Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

fn text_of(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("must be text in quotes, not {value}"))
}

fn url(text: &str, schemes: &[&str]) -> Result<Value, String> {
    let host = text.split_once("://").filter(|(scheme, _)| schemes.contains(scheme)).map(|(_, host)| host);
    match host {
        Some(host) if !host.is_empty() => Ok(Value::String(text.trim_end_matches('/').to_owned())),
        // The text itself is not repeated: it may hold a password.
        _ => Err(format!("is not a URL that starts with {}://", schemes.join(":// or "))),
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> Result<Value, String> {
    let items: Vec<Value> = items
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| Value::String(item.to_owned()))
        .collect();
    if items.is_empty() { Err("is an empty list".to_owned()) } else { Ok(Value::Array(items)) }
}

fn within(count: u64, min: u64, max: u64) -> Result<Value, String> {
    if (min..=max).contains(&count) {
        return Ok(Value::from_count(count));
    }
    match max {
        u64::MAX => Err(format!("{count} is less than {min}")),
        max => Err(format!("{count} is outside {min} to {max}")),
    }
}

fn start(text: &str) -> Result<Value, String> {
    if ["committed", "earliest", "latest"].contains(&text) || parse_time(text).is_some() {
        return Ok(Value::String(text.to_owned()));
    }
    Err(format!(
        "{text:?} is none of committed, earliest, latest, a time such as 2026-05-01T12:00:00Z, or epoch ms"
    ))
}

fn points(items: Vec<Value>) -> Result<Value, String> {
    let fits = |item: &Value| item.as_integer().is_some_and(|n| (0..=POINTS_MAX).contains(&n));
    if items.len() == 3 && items.iter().all(fits) {
        return Ok(Value::Array(items));
    }
    Err(format!("must be three whole numbers of at most {POINTS_MAX}, such as 40,20,0"))
}

/// `name=value,name=value`: a part without `=` belongs to the value before it.
fn properties(text: &str) -> Result<Value, String> {
    let mut table = toml::Table::new();
    let mut last: Option<String> = None;
    for part in text.split(',') {
        match (part.split_once('='), &last) {
            (Some((name, value)), _) if !name.trim().is_empty() => {
                table.insert(name.trim().to_owned(), Value::String(value.to_owned()));
                last = Some(name.trim().to_owned());
            }
            (None, Some(name)) => {
                if let Some(Value::String(value)) = table.get_mut(name) {
                    value.push(',');
                    value.push_str(part);
                }
            }
            // The text itself is not repeated: it may be a password.
            _ => return Err("is not key=value, such as security.protocol=SSL".to_owned()),
        }
    }
    Ok(Value::Table(table))
}

/// `[kafka]` may name a property with or without quotes: without, TOML reads its dots as nested tables.
fn flatten(prefix: &str, table: toml::Table, flat: &mut toml::Table) -> Result<(), String> {
    for (name, value) in table {
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        let text = match value {
            Value::Table(table) => {
                flatten(&name, table, flat)?;
                continue;
            }
            Value::String(text) => text,
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value.to_string(),
            Value::Array(_) | Value::Datetime(_) => return Err(format!("{name} must be text")),
        };
        flat.insert(name, Value::String(text));
    }
    Ok(())
}

/// Risk and quality points beyond this are a slip of the finger; sums stay far below a u32.
const POINTS_MAX: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_keep_commas_in_values() {
        let table = Kind::Properties.parse_text("ssl.cipher.suites=A,B,security.protocol=SSL").unwrap();
        assert_eq!(table["ssl.cipher.suites"].as_str(), Some("A,B"));
        assert_eq!(table["security.protocol"].as_str(), Some("SSL"));
        assert!(Kind::Properties.parse_text("hunter2").unwrap_err().find("hunter2").is_none());
    }

    #[test]
    fn properties_in_toml_need_no_quotes() {
        let table: toml::Table = "sasl.password = \"x\"\nlinger.ms = 5\n'a.b' = true".parse().unwrap();
        let flat = Kind::Properties.parse_toml(Value::Table(table)).unwrap();
        assert_eq!(flat["sasl.password"].as_str(), Some("x"));
        assert_eq!(flat["linger.ms"].as_str(), Some("5"));
        assert_eq!(flat["a.b"].as_str(), Some("true"));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused() {
        for (kind, value) in [
            (Kind::Switch, Value::String("true".into())),
            (Kind::Span, Value::Integer(5)),
            (Kind::Count { min: 1, max: 9 }, Value::Integer(-1)),
            (Kind::Count { min: 1, max: 9 }, Value::Integer(10)),
            (Kind::Points, Value::Array(vec![Value::Integer(1)])),
            (Kind::Number, Value::Float(f64::NAN)),
            (Kind::Facilities, Value::Boolean(true)),
        ] {
            assert!(kind.parse_toml(value.clone()).is_err(), "{kind:?} {value}");
        }
    }
}
