//! Tokens of the filter language.

/// A token and where it ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Bytes from the start of the query to the end of the token.
    pub(super) end: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A bare word that is no keyword, or a name in backticks.
    Name(String),
    /// A word of the language, in lower case.
    Keyword(&'static str),
    /// A number as it was written.
    Number(String),
    /// A text in quotes, without them.
    Text(String),
    /// An operator or a mark.
    Symbol(&'static str),
    /// Something that cannot begin or end a token.
    Bad(String),
    /// The end of the query.
    End,
}

/// The words that are not names unless they stand in backticks.
const KEYWORDS: [&str; 29] = [
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "desc",
    "escape",
    "exists",
    "false",
    "from",
    "group",
    "having",
    "in",
    "interval",
    "is",
    "like",
    "limit",
    "not",
    "null",
    "or",
    "order",
    "regexp",
    "rlike",
    "select",
    "starts_with",
    "true",
    "union",
    "xor",
];

/// Operators and marks. One that begins like another stands before it.
const SYMBOLS: [&str; 26] = [
    "<=>", "<>", "<=", ">=", "!=", "<<", ">>", "&&", "||", "->", "=", "<", ">", "(", ")", ",", ";", ".", "+", "-", "*",
    "/", "%", "!", "~", "^",
];

/// The keyword that a word is, whatever its case.
pub(super) fn keyword(word: &str) -> Option<&'static str> {
    KEYWORDS.into_iter().find(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Whether a name can stand without backticks.
pub(super) fn is_bare_name(name: &str) -> bool {
    name.starts_with(is_letter) && name.chars().all(is_word_char) && keyword(name).is_none()
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '@'
}

fn is_word_char(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

/// Reads a query token by token. After a [`TokenKind::Bad`] it goes on at some later place.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; the end again and again once it is reached.
    pub(super) fn next_token(&mut self) -> Token {
        let kind = if self.skip_blanks_and_comments() {
            self.scan()
        } else {
            self.at = self.text.len();
            TokenKind::Bad("/*".to_owned())
        };
        Token { kind, end: self.at }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes the longest run of such characters.
    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !accepts(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// False if a comment has no end.
    fn skip_blanks_and_comments(&mut self) -> bool {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\n' | '\r' | '\t'));
            let rest = self.rest();
            if rest.starts_with("--") || rest.starts_with('#') || rest.starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let Some(length) = comment.find("*/") else {
                    return false;
                };
                self.at += length + 4;
            } else {
                return true;
            }
        }
    }

    fn scan(&mut self) -> TokenKind {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return TokenKind::End;
        };
        if is_letter(first) {
            let word = self.take_while(is_word_char);
            return keyword(word).map_or_else(|| TokenKind::Name(word.to_owned()), TokenKind::Keyword);
        }
        if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            return self.scan_number();
        }
        if matches!(first, '\'' | '"') {
            return self.scan_text(first);
        }
        if first == '`' {
            return self.scan_name_in_backticks();
        }
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            self.at += symbol.len();
            return TokenKind::Symbol(symbol);
        }
        self.at += first.len_utf8();
        TokenKind::Bad(first.to_string())
    }

    fn scan_number(&mut self) -> TokenKind {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        if self.rest().starts_with('.') {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            self.take_while(|c| c.is_ascii_digit());
        }
        let number = self.text[start..self.at].to_owned();
        if self.rest().starts_with(is_letter) {
            return TokenKind::Bad(number);
        }
        TokenKind::Number(number)
    }

    /// A text ends at its quote. The quote inside stands doubled, or after a backslash, which also writes characters that
    /// are hard to see.
    fn scan_text(&mut self, quote: char) -> TokenKind {
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\\'));
            let mut ahead = self.rest().chars();
            match (ahead.next(), ahead.next()) {
                (Some('\\'), Some(escaped)) => {
                    text.push(unescaped(escaped));
                    self.at += 1 + escaped.len_utf8();
                }
                (Some(_), Some(second)) if second == quote => {
                    text.push(quote);
                    self.at += 2;
                }
                (Some('\\') | None, _) => {
                    self.at = self.text.len();
                    return TokenKind::Bad(text);
                }
                (Some(_), _) => {
                    self.at += 1;
                    return TokenKind::Text(text);
                }
            }
        }
    }

    fn scan_name_in_backticks(&mut self) -> TokenKind {
        self.at += 1;
        let mut name = String::new();
        loop {
            name.push_str(self.take_while(|c| c != '`'));
            if self.rest().starts_with("``") {
                name.push('`');
                self.at += 2;
            } else if self.rest().starts_with('`') && !name.is_empty() {
                self.at += 1;
                return TokenKind::Name(name);
            } else {
                self.at = self.text.len();
                return TokenKind::Bad(name);
            }
        }
    }
}

/// What a character after a backslash means.
fn unescaped(escaped: char) -> char {
    match escaped {
        '0' => '\0',
        'b' => '\u{8}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'Z' => '\u{1a}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut lexer = Lexer::new(text);
        std::iter::from_fn(|| Some(lexer.next_token().kind)).take_while(|kind| *kind != TokenKind::End).collect()
    }

    #[test]
    fn words_numbers_texts_and_symbols() {
        let name = |name: &str| TokenKind::Name(name.to_owned());
        let text = |text: &str| TokenKind::Text(text.to_owned());
        let number = |number: &str| TokenKind::Number(number.to_owned());
        assert_eq!(kinds("a AND `b c``d`"), [name("a"), TokenKind::Keyword("and"), name("b c`d")]);
        assert_eq!(kinds(r#"'it''s' 'it\'s' "it's" '\n\q'"#), [text("it's"), text("it's"), text("it's"), text("\nq")]);
        assert_eq!(
            kinds("1 1.5 .5 1e-3 2E4"),
            [number("1"), number("1.5"), number(".5"), number("1e-3"), number("2E4")]
        );
        assert_eq!(kinds("<=>=<>"), [TokenKind::Symbol("<=>"), TokenKind::Symbol("="), TokenKind::Symbol("<>")]);
        assert_eq!(kinds("a -- b\n # c\n /* d */ e"), [name("a"), name("e")]);
    }

    #[test]
    fn what_has_no_end_is_bad() {
        for text in ["'a", "\"a", "'a\\", "'a''", "`a", "``", "/* a", "1a", "$", "\u{e9}"] {
            assert!(matches!(kinds(text)[..], [TokenKind::Bad(_), ..]), "{text}");
        }
    }
}
