//! A small reader of JSON, for the values of search attributes and settings. It keeps numbers as they were written,
//! because whole numbers and fractions are different types there.

use std::fmt::{self, Display, Formatter};

/// How deep lists and objects may nest. Nothing that is read here needs more than two levels.
const MAX_DEPTH: usize = 32;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A number as it was written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Reads one value; none if it is not JSON or nests too deep.
pub(crate) fn parse(text: &str) -> Option<Json> {
    let mut reader = Reader { rest: text };
    let value = reader.value(MAX_DEPTH)?;
    reader.skip_blanks();
    reader.rest.is_empty().then_some(value)
}

/// Writes a text with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes this text if it is next.
    fn accept(&mut self, wanted: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn value(&mut self, depth_left: usize) -> Option<Json> {
        self.skip_blanks();
        match self.rest.bytes().next()? {
            b'n' => self.accept("null").map(|()| Json::Null),
            b't' => self.accept("true").map(|()| Json::Bool(true)),
            b'f' => self.accept("false").map(|()| Json::Bool(false)),
            b'"' => self.text().map(Json::Text),
            b'[' => self.list(depth_left.checked_sub(1)?),
            b'{' => self.object(depth_left.checked_sub(1)?),
            _ => self.number().map(|number| Json::Number(number.to_owned())),
        }
    }

    fn list(&mut self, depth_left: usize) -> Option<Json> {
        self.accept("[")?;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.accept("]").is_some() {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth_left)?);
            self.skip_blanks();
            if self.accept("]").is_some() {
                return Some(Json::List(items));
            }
            self.accept(",")?;
        }
    }

    fn object(&mut self, depth_left: usize) -> Option<Json> {
        self.accept("{")?;
        let mut members = Vec::new();
        self.skip_blanks();
        if self.accept("}").is_some() {
            return Some(Json::Object(members));
        }
        loop {
            self.skip_blanks();
            let name = self.text()?;
            self.skip_blanks();
            self.accept(":")?;
            members.push((name, self.value(depth_left)?));
            self.skip_blanks();
            if self.accept("}").is_some() {
                return Some(Json::Object(members));
            }
            self.accept(",")?;
        }
    }

    fn text(&mut self) -> Option<String> {
        self.accept("\"")?;
        let mut text = String::new();
        loop {
            let length = self.rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ')?;
            text.push_str(&self.rest[..length]);
            self.rest = &self.rest[length..];
            if self.accept("\"").is_some() {
                return Some(text);
            }
            self.accept("\\")?;
            text.push(self.escaped()?);
        }
    }

    /// The character that an escape sequence stands for, after its backslash. Half of a surrogate pair stands for none,
    /// and is shown as the replacement character.
    fn escaped(&mut self) -> Option<char> {
        let kind = self.rest.chars().next()?;
        self.rest = &self.rest[kind.len_utf8()..];
        Some(match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.code_unit()?;
                let before_second = self.rest;
                if (0xd800..0xdc00).contains(&first)
                    && self.accept("\\u").is_some()
                    && let Some(second @ 0xdc00..0xe000) = self.code_unit()
                {
                    return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                }
                self.rest = before_second;
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return None,
        })
    }

    fn code_unit(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.rest;
        let _sign = self.accept("-");
        if self.accept("0").is_none() {
            self.digits()?;
        }
        if self.accept(".").is_some() {
            self.digits()?;
        }
        if self.rest.starts_with(['e', 'E']) {
            self.rest = &self.rest[1..];
            if self.rest.starts_with(['+', '-']) {
                self.rest = &self.rest[1..];
            }
            self.digits()?;
        }
        Some(&start[..start.len() - self.rest.len()])
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let found = rest.len() < self.rest.len();
        self.rest = rest;
        found.then_some(())
    }
}

/// The value as messages show it.
impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<nil>"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(&shown_number(number)),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => {
                let items = items.iter().map(ToString::to_string).collect::<Vec<_>>();
                write!(f, "[{}]", items.join(" "))
            }
            Self::Object(members) => {
                let mut members = members.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>();
                members.sort();
                write!(f, "map[{}]", members.join(" "))
            }
        }
    }
}

/// A number as a floating-point number of few digits, with an exponent if it is very large or small.
fn shown_number(number: &str) -> String {
    let Ok(value) = number.parse::<f64>() else {
        return number.to_owned();
    };
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if exponent < -4 => format!("{digits}e-{:02}", -exponent),
        Ok(exponent) if exponent > 5 => format!("{digits}e+{exponent:02}"),
        _ => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        let text = |text: &str| Json::Text(text.to_owned());
        let number = |number: &str| Json::Number(number.to_owned());
        assert_eq!(parse(" null "), Some(Json::Null));
        assert_eq!(parse("[true, false]"), Some(Json::List(vec![Json::Bool(true), Json::Bool(false)])));
        assert_eq!(parse("[]"), Some(Json::List(vec![])));
        assert_eq!(parse("-1.50e+3"), Some(number("-1.50e+3")));
        assert_eq!(parse("0"), Some(number("0")));
        assert_eq!(parse(r#""a\"b\u00e9\ud83d\ude00\ud83d\n""#), Some(text("a\"b\u{e9}\u{1f600}\u{fffd}\n")));
        assert_eq!(
            parse(r#"{"a": [1], "b": {}}"#).map(|value| value.to_string()).as_deref(),
            Some("map[a:[1] b:map[]]")
        );
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "nul",
            "[1,]",
            "[1",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "1e",
            "1e++1",
            "+1",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "1 2",
            "\"\n\"",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }

    #[test]
    fn texts_are_written_back() {
        let text = "a\"\\\n\u{1}\u{e9}";
        assert_eq!(parse(&quoted(text)), Some(Json::Text(text.to_owned())));
    }

    #[test]
    fn numbers_are_shown_like_floating_point_numbers() {
        for (number, shown) in [
            ("5", "5"),
            ("1.5", "1.5"),
            ("100000", "100000"),
            ("1000000", "1e+06"),
            ("123456789", "1.23456789e+08"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("12345678901234567890", "1.2345678901234567e+19"),
            ("-0", "-0"),
        ] {
            assert_eq!(shown_number(number), shown);
        }
    }
}
