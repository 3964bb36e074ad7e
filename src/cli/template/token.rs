//! Cuts a template into text and actions, and an action into tokens.

use serde_json::Value;

use super::TemplateError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `.A.B`, `.`
    Field(Vec<String>),
    /// `$x.A`
    Variable(String, Vec<String>),
    /// A function's name or a keyword.
    Word(String),
    Literal(Value),
    Pipe,
    Comma,
    /// `:=`
    Declare,
    Open,
    /// `)` and the fields behind it.
    Close(Vec<String>),
}

/// Text and actions in order; the white space that `{{-` and `-}}` eat is gone.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut trim_next = false;
    while let Some(open) = rest.find("{{") {
        let mut text = &rest[..open];
        rest = &rest[open + 2..];
        if trim_next {
            text = text.trim_start();
        }
        if rest.starts_with('-') && rest[1..].starts_with(char::is_whitespace) {
            text = text.trim_end();
            rest = &rest[1..];
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        let (tokens, behind, trims) = action(rest)?;
        if let Some(tokens) = tokens {
            pieces.push(Piece::Action(tokens));
        }
        rest = behind;
        trim_next = trims;
    }
    let text = if trim_next { rest.trim_start() } else { rest };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Ok(pieces)
}

/// The tokens up to `}}` (none for a comment), what follows it, and whether it was `-}}`.
fn action(text: &str) -> Result<(Option<Vec<Token>>, &str, bool), TemplateError> {
    let unclosed = || TemplateError("an action is not closed: }} is missing".to_owned());
    if let Some(comment) = text.trim_start().strip_prefix("/*") {
        let end = comment.find("*/").ok_or_else(unclosed)?;
        let behind = comment[end + 2..].trim_start();
        let (behind, trims) = behind.strip_prefix('-').map_or((behind, false), |rest| (rest, true));
        return Ok((None, behind.strip_prefix("}}").ok_or_else(unclosed)?, trims));
    }
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        let spaced = trimmed.len() < rest.len();
        rest = trimmed;
        if let Some(behind) = rest.strip_prefix("}}") {
            return Ok((Some(tokens), behind, false));
        }
        if spaced && let Some(behind) = rest.strip_prefix("-}}") {
            return Ok((Some(tokens), behind, true));
        }
        if rest.is_empty() {
            return Err(unclosed());
        }
        let (token, behind) = token(rest)?;
        tokens.push(token);
        rest = behind;
    }
}

fn token(text: &str) -> Result<(Token, &str), TemplateError> {
    let first = text.chars().next().unwrap_or_default();
    match first {
        '|' => Ok((Token::Pipe, &text[1..])),
        ',' => Ok((Token::Comma, &text[1..])),
        '(' => Ok((Token::Open, &text[1..])),
        ')' => {
            let (fields, rest) = fields(&text[1..]);
            Ok((Token::Close(fields), rest))
        }
        ':' if text.starts_with(":=") => Ok((Token::Declare, &text[2..])),
        '"' | '`' | '\'' => literal(first, text),
        '.' if !text[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let (fields, rest) = fields(text);
            Ok(if fields.is_empty() { (Token::Field(fields), &text[1..]) } else { (Token::Field(fields), rest) })
        }
        '$' => {
            let end = word_end(&text[1..]) + 1;
            let (fields, rest) = fields(&text[end..]);
            Ok((Token::Variable(text[1..end].to_owned(), fields), rest))
        }
        '0'..='9' | '-' | '+' => number(text),
        _ if first.is_alphabetic() || first == '_' => {
            let (word, rest) = text.split_at(word_end(text));
            let token = match word {
                "true" => Token::Literal(Value::Bool(true)),
                "false" => Token::Literal(Value::Bool(false)),
                "nil" => Token::Literal(Value::Null),
                _ => Token::Word(word.to_owned()),
            };
            Ok((token, rest))
        }
        _ => Err(TemplateError(format!("unexpected {first:?}"))),
    }
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// `.A.B` and what follows.
fn fields(mut text: &str) -> (Vec<String>, &str) {
    let mut fields = Vec::new();
    while let Some(rest) = text.strip_prefix('.') {
        let end = word_end(rest);
        if end == 0 {
            break;
        }
        fields.push(rest[..end].to_owned());
        text = &rest[end..];
    }
    (fields, text)
}

fn number(text: &str) -> Result<(Token, &str), TemplateError> {
    let end = text[1..].find(|c: char| !c.is_ascii_digit() && c != '.').map_or(text.len(), |end| end + 1);
    let (digits, rest) = text.split_at(end);
    let value = digits.parse::<i64>().map(Value::from).or_else(|_| digits.parse::<f64>().map(Value::from));
    Ok((Token::Literal(value.map_err(|_| TemplateError(format!("not a number: {digits}")))?), rest))
}

/// A text in double quotes with escapes, in back quotes as it stands, or one character as its number.
fn literal(quote: char, text: &str) -> Result<(Token, &str), TemplateError> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            _ if c == quote => {
                let rest = &text[at + 1..];
                let literal = match (quote, value.chars().next()) {
                    ('\'', Some(only)) => Value::from(u32::from(only)),
                    _ => Value::String(value),
                };
                return Ok((Token::Literal(literal), rest));
            }
            '\\' if quote != '`' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, 'r')) => '\r',
                Some((_, other)) => other,
                None => break,
            }),
            _ => value.push(c),
        }
    }
    Err(TemplateError(format!("a text is not closed: {quote} is missing")))
}
