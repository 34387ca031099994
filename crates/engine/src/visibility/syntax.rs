//! The grammar of the filter language: text to an untyped tree.
//!
//! Whatever would be an expression of SQL is read, also what no attribute can be compared with, so that the refusal can say
//! what is wrong with it rather than that it is not grammar.

use super::error::FilterError;
use super::lexer::{Lexer, Token, TokenKind};
use super::{MAX_NESTING, MAX_TERMS};

/// A query as it was written.
#[derive(Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) condition: Option<Expr>,
    pub(super) group_by: Vec<Operand>,
    pub(super) has_order_by: bool,
    pub(super) has_limit: bool,
}

/// A condition.
#[derive(Debug, PartialEq)]
pub(super) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Comparison),
    Between {
        left: Operand,
        negated: bool,
        low: Operand,
        high: Operand,
    },
    Is {
        left: Operand,
        is: IsTest,
    },
    Exists,
    /// A value where a condition should be.
    Bare(Operand),
}

/// Two operands and how they are compared.
#[derive(Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) left: Operand,
    /// The operator in lower case.
    pub(super) operator: &'static str,
    pub(super) right: Operand,
}

/// What `IS` asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum IsTest {
    Null,
    NotNull,
    Boolean,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Column(String),
    Text(String),
    /// A number as it was written, with its sign.
    Number(String),
    Bool(bool),
    Null,
    Tuple(Vec<Operand>),
    Function,
    /// Anything else, by what it is.
    Other(&'static str),
}

impl Operand {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Column(_) => "a column name",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Null => "NULL",
            Self::Tuple(_) => "a list of values",
            Self::Function => "a function",
            Self::Other(kind) => kind,
        }
    }
}

/// Reads a query. Blank text is a query without a condition.
pub(super) fn parse_statement(text: &str) -> Result<Statement, FilterError> {
    let mut parser = Parser::new(text);
    let condition = match parser.token.kind {
        TokenKind::End | TokenKind::Keyword("group" | "order") => None,
        _ => Some(parser.disjunction()?),
    };
    let group_by = parser.group_by()?;
    let has_order_by = parser.order_by()?;
    let has_limit = parser.limit()?;
    parser.accept(";");
    match parser.token.kind {
        TokenKind::End => Ok(Statement { condition, group_by, has_order_by, has_limit }),
        _ => Err(parser.unexpected()),
    }
}

/// What stands where a condition or an operand may stand: of a parenthesis it is only known afterwards.
///
/// Conditions are boxed here to keep the frames of the recursion small: queries come from outside, and stacks are short.
enum Term {
    Condition(Box<Expr>),
    Operand(Operand),
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    nesting: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let mut lexer = Lexer::new(text);
        let token = lexer.next_token();
        Self { lexer, token, nesting: 0, terms: 0 }
    }

    /// Moves to the next token and gives the one before.
    fn advance(&mut self) -> Token {
        let next = self.lexer.next_token();
        std::mem::replace(&mut self.token, next)
    }

    /// Whether the next token is this keyword or symbol.
    fn at(&self, word: &str) -> bool {
        matches!(self.token.kind, TokenKind::Keyword(found) | TokenKind::Symbol(found) if found == word)
    }

    /// Takes this keyword or symbol if it is next.
    fn accept(&mut self, word: &str) -> bool {
        let found = self.at(word);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), FilterError> {
        if self.accept(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> FilterError {
        let near = match &self.token.kind {
            TokenKind::Name(text) | TokenKind::Number(text) | TokenKind::Text(text) | TokenKind::Bad(text) => {
                text.clone()
            }
            TokenKind::Keyword(text) | TokenKind::Symbol(text) => (*text).to_owned(),
            TokenKind::End => String::new(),
        };
        FilterError::Malformed { position: self.token.end + 1, near }
    }

    /// Goes one parenthesis or NOT deeper for a while.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, FilterError>) -> Result<T, FilterError> {
        if self.nesting == MAX_NESTING {
            return Err(FilterError::NestedTooDeep);
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    fn count_term(&mut self) -> Result<(), FilterError> {
        self.terms += 1;
        if self.terms > MAX_TERMS { Err(FilterError::TooManyTerms) } else { Ok(()) }
    }

    fn disjunction(&mut self) -> Result<Expr, FilterError> {
        let term = self.disjunction_term()?;
        Ok(into_condition(term))
    }

    fn disjunction_term(&mut self) -> Result<Term, FilterError> {
        let first = self.conjunction()?;
        if !self.at("or") && !self.at("||") {
            return Ok(first);
        }
        let mut parts = vec![into_condition(first)];
        while self.accept("or") || self.accept("||") {
            parts.push(into_condition(self.conjunction()?));
        }
        Ok(condition(Expr::Or(parts)))
    }

    fn conjunction(&mut self) -> Result<Term, FilterError> {
        let first = self.negation()?;
        if !self.at("and") && !self.at("&&") {
            return Ok(first);
        }
        let mut parts = vec![into_condition(first)];
        while self.accept("and") || self.accept("&&") {
            parts.push(into_condition(self.negation()?));
        }
        Ok(condition(Expr::And(parts)))
    }

    fn negation(&mut self) -> Result<Term, FilterError> {
        if !self.accept("not") {
            return self.predicate();
        }
        let inner = self.nested(Self::negation)?;
        Ok(condition(Expr::Not(Box::new(into_condition(inner)))))
    }

    /// A comparison, range or test, or an operand that stands alone.
    fn predicate(&mut self) -> Result<Term, FilterError> {
        self.count_term()?;
        if self.accept("exists") {
            self.expect("(")?;
            self.skip_to_closing()?;
            return Ok(condition(Expr::Exists));
        }
        let mut term = self.operand_term()?;
        if let Some(compared) = self.comparison(&mut term)? {
            term = Term::Condition(compared);
        }
        while self.accept("is") {
            let is = self.is_test()?;
            term = condition(Expr::Is { left: into_operand(term), is });
        }
        Ok(term)
    }

    /// What follows the left side of a comparison or range, if it is one. The left side is taken out of `left` then.
    fn comparison(&mut self, left: &mut Term) -> Result<Option<Box<Expr>>, FilterError> {
        const COMPARE: [&str; 8] = ["=", "!=", "<>", "<", "<=", ">", ">=", "<=>"];
        let mut take_left = || into_operand(std::mem::replace(left, Term::Operand(Operand::Null)));
        if let Some(operator) = COMPARE.into_iter().find(|operator| self.at(operator)) {
            let left = take_left();
            self.advance();
            let operator = if operator == "<>" { "!=" } else { operator };
            let right = self.operand()?;
            return Ok(Some(Box::new(Expr::Compare(Comparison { left, operator, right }))));
        }
        let negated = self.at("not");
        if negated {
            self.advance();
        }
        let pick = |plain, not| if negated { not } else { plain };
        let (operator, right) = if self.accept("in") {
            (pick("in", "not in"), self.in_list()?)
        } else if self.accept("like") {
            let right = self.operand()?;
            if self.accept("escape") {
                self.operand()?;
            }
            (pick("like", "not like"), right)
        } else if self.accept("regexp") || self.accept("rlike") {
            (pick("regexp", "not regexp"), self.operand()?)
        } else if self.accept("starts_with") {
            (pick("starts_with", "not starts_with"), self.operand()?)
        } else if self.accept("between") {
            let low = self.operand()?;
            self.expect("and")?;
            let high = self.operand()?;
            return Ok(Some(Box::new(Expr::Between { left: take_left(), negated, low, high })));
        } else if negated {
            return Err(self.unexpected());
        } else {
            return Ok(None);
        };
        Ok(Some(Box::new(Expr::Compare(Comparison { left: take_left(), operator, right }))))
    }

    fn is_test(&mut self) -> Result<IsTest, FilterError> {
        let negated = self.accept("not");
        if self.accept("null") {
            return Ok(if negated { IsTest::NotNull } else { IsTest::Null });
        }
        if self.accept("true") || self.accept("false") {
            return Ok(IsTest::Boolean);
        }
        Err(self.unexpected())
    }

    fn in_list(&mut self) -> Result<Operand, FilterError> {
        self.expect("(")?;
        if self.at("select") {
            self.skip_to_closing()?;
            return Ok(Operand::Other("a subquery"));
        }
        self.nested(|parser| {
            let mut values = Vec::new();
            loop {
                parser.count_term()?;
                values.push(parser.expression()?);
                if !parser.accept(",") {
                    break;
                }
            }
            parser.expect(")")?;
            Ok(Operand::Tuple(values))
        })
    }

    fn operand(&mut self) -> Result<Operand, FilterError> {
        Ok(into_operand(self.operand_term()?))
    }

    /// Whatever may stand in a clause after the conditions; what is not a column is refused later.
    fn expression(&mut self) -> Result<Operand, FilterError> {
        Ok(into_operand(self.disjunction_term()?))
    }

    /// Operands joined by arithmetic, which is read and never accepted.
    fn operand_term(&mut self) -> Result<Term, FilterError> {
        const ARITHMETIC: [&str; 9] = ["+", "-", "*", "/", "%", "^", "<<", ">>", "->"];
        let first = self.signed()?;
        if !ARITHMETIC.into_iter().any(|operator| self.at(operator)) {
            return Ok(first);
        }
        while ARITHMETIC.into_iter().any(|operator| self.accept(operator)) {
            self.signed()?;
        }
        Ok(Term::Operand(Operand::Other("an arithmetic expression")))
    }

    fn signed(&mut self) -> Result<Term, FilterError> {
        for sign in ["-", "+", "!", "~"] {
            if self.accept(sign) {
                let inner = into_operand(self.nested(Self::signed)?);
                return Ok(Term::Operand(with_sign(sign, inner)));
            }
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Term, FilterError> {
        if self.accept("(") {
            return self.parenthesis();
        }
        let operand = match &self.token.kind {
            TokenKind::Name(_) => return self.column_or_function().map(Term::Operand),
            TokenKind::Text(text) => Operand::Text(text.clone()),
            TokenKind::Number(number) => Operand::Number(number.clone()),
            TokenKind::Keyword("true") => Operand::Bool(true),
            TokenKind::Keyword("false") => Operand::Bool(false),
            TokenKind::Keyword("null") => Operand::Null,
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(Term::Operand(operand))
    }

    /// After an opening parenthesis: a condition in parentheses, a list of values or a subquery.
    fn parenthesis(&mut self) -> Result<Term, FilterError> {
        if self.at("select") {
            self.skip_to_closing()?;
            return Ok(Term::Operand(Operand::Other("a subquery")));
        }
        self.nested(|parser| {
            let first = parser.disjunction_term()?;
            if parser.accept(")") {
                return Ok(condition(into_condition(first)));
            }
            while parser.accept(",") {
                parser.disjunction_term()?;
            }
            parser.expect(")")?;
            Ok(Term::Operand(Operand::Other("a list of values")))
        })
    }

    fn column_or_function(&mut self) -> Result<Operand, FilterError> {
        let mut name = self.name()?;
        while self.accept(".") {
            name.push('.');
            name.push_str(&self.name()?);
        }
        if self.accept("(") {
            self.skip_to_closing()?;
            return Ok(Operand::Function);
        }
        Ok(Operand::Column(name))
    }

    fn name(&mut self) -> Result<String, FilterError> {
        match self.advance() {
            Token { kind: TokenKind::Name(name), .. } => Ok(name),
            token => {
                self.token = token;
                Err(self.unexpected())
            }
        }
    }

    /// Skips what is in a parenthesis that was opened, and its end.
    fn skip_to_closing(&mut self) -> Result<(), FilterError> {
        let mut open = 1;
        while open > 0 {
            match self.token.kind {
                TokenKind::Symbol("(") => open += 1,
                TokenKind::Symbol(")") => open -= 1,
                TokenKind::End | TokenKind::Bad(_) => return Err(self.unexpected()),
                _ => {}
            }
            self.advance();
        }
        Ok(())
    }

    fn group_by(&mut self) -> Result<Vec<Operand>, FilterError> {
        let mut fields = Vec::new();
        if self.accept("group") {
            self.expect("by")?;
            loop {
                self.count_term()?;
                fields.push(self.expression()?);
                if !self.accept(",") {
                    break;
                }
            }
        }
        Ok(fields)
    }

    fn order_by(&mut self) -> Result<bool, FilterError> {
        if !self.accept("order") {
            return Ok(false);
        }
        self.expect("by")?;
        loop {
            self.expression()?;
            if !self.accept("asc") {
                self.accept("desc");
            }
            if !self.accept(",") {
                return Ok(true);
            }
        }
    }

    fn limit(&mut self) -> Result<bool, FilterError> {
        if !self.accept("limit") {
            return Ok(false);
        }
        self.expression()?;
        if self.accept(",") {
            self.expression()?;
        }
        Ok(true)
    }
}

fn condition(condition: Expr) -> Term {
    Term::Condition(Box::new(condition))
}

fn into_condition(term: Term) -> Expr {
    match term {
        Term::Condition(condition) => *condition,
        Term::Operand(operand) => Expr::Bare(operand),
    }
}

/// A condition where an operand should be is one that no attribute can be compared with.
fn into_operand(term: Term) -> Operand {
    match term {
        Term::Operand(operand) => operand,
        Term::Condition(_) => Operand::Other("an expression in parentheses"),
    }
}

fn with_sign(sign: &str, operand: Operand) -> Operand {
    match (sign, operand) {
        ("+", Operand::Number(number)) => Operand::Number(number),
        ("-", Operand::Number(number)) => Operand::Number(match number.strip_prefix('-') {
            Some(positive) => positive.to_owned(),
            None => format!("-{number}"),
        }),
        _ => Operand::Other("an arithmetic expression"),
    }
}
