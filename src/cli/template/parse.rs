//! Makes a tree of a template's pieces.

use super::token::{Piece, Token, pieces};
use super::{Node, Operand, Pipeline, TemplateError};

/// Deeper nesting than this is refused, so that no template overflows the stack.
const DEEPEST: usize = 100;

pub(super) fn parse(template: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { pieces: pieces(template)?.into_iter(), depth: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        End::Template => Ok(nodes),
        End::Close => Err(TemplateError("unexpected {{end}}".to_owned())),
        End::Else(_) => Err(TemplateError("unexpected {{else}}".to_owned())),
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    depth: usize,
}

/// What ended a run of nodes.
enum End {
    Template,
    Close,
    /// `else`, with the tokens behind it (`if …`, `with …`).
    Else(Vec<Token>),
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, End), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens) => tokens,
            };
            match tokens.first() {
                Some(Token::Word(word)) if word == "end" => return Ok((nodes, End::Close)),
                Some(Token::Word(word)) if word == "else" => return Ok((nodes, End::Else(tokens[1..].to_vec()))),
                Some(Token::Word(word)) if matches!(word.as_str(), "if" | "with" | "range") => {
                    let word = word.clone();
                    nodes.push(self.block(&word, &tokens[1..])?);
                }
                Some(Token::Word(word))
                    if matches!(word.as_str(), "define" | "template" | "block" | "break" | "continue") =>
                {
                    return Err(TemplateError(format!("{word} is not among what teu understands")));
                }
                _ => nodes.push(action(&tokens)?),
            }
        }
        Ok((nodes, End::Template))
    }

    fn block(&mut self, word: &str, head: &[Token]) -> Result<Node, TemplateError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(too_deep());
        }
        let (then, end) = self.nodes()?;
        let otherwise = match end {
            End::Close => Vec::new(),
            End::Template => return Err(TemplateError(format!("{{{{{word}}}}} has no {{{{end}}}}"))),
            End::Else(tokens) => self.otherwise(word, &tokens)?,
        };
        self.depth -= 1;
        match word {
            "if" => Ok(Node::If { condition: pipeline(head)?, then, otherwise }),
            "with" => Ok(Node::With { value: pipeline(head)?, then, otherwise }),
            _ => {
                let (names, over) = declared(head)?;
                let mut names = names.into_iter();
                let (first, second) = (names.next(), names.next());
                let (key, element) = if second.is_some() { (first, second) } else { (None, first) };
                Ok(Node::Range { key, element, over: pipeline(over)?, each: then, otherwise })
            }
        }
    }

    /// The nodes behind `else`, up to the block's `end`; `else if` is a block that shares that `end`.
    fn otherwise(&mut self, word: &str, tokens: &[Token]) -> Result<Vec<Node>, TemplateError> {
        if let Some(Token::Word(next)) = tokens.first() {
            let next = next.clone();
            return Ok(vec![self.block(&next, &tokens[1..])?]);
        }
        match self.nodes()? {
            (nodes, End::Close) => Ok(nodes),
            (_, End::Template) => Err(TemplateError(format!("{{{{{word}}}}} has no {{{{end}}}}"))),
            (_, End::Else(_)) => Err(TemplateError("unexpected {{else}}".to_owned())),
        }
    }
}

fn too_deep() -> TemplateError {
    TemplateError(format!("nested deeper than {DEEPEST}"))
}

fn action(tokens: &[Token]) -> Result<Node, TemplateError> {
    let (mut names, rest) = declared(tokens)?;
    match names.pop() {
        Some(name) if names.is_empty() => Ok(Node::Assign(name, pipeline(rest)?)),
        Some(_) => Err(TemplateError("only range declares two variables".to_owned())),
        None => Ok(Node::Print(pipeline(rest)?)),
    }
}

/// The variables of `$a, $b := …` and the tokens behind.
fn declared(tokens: &[Token]) -> Result<(Vec<String>, &[Token]), TemplateError> {
    let Some(at) = tokens.iter().position(|token| *token == Token::Declare) else { return Ok((Vec::new(), tokens)) };
    let names = tokens[..at]
        .iter()
        .filter(|token| **token != Token::Comma)
        .map(|token| match token {
            Token::Variable(name, fields) if fields.is_empty() => Ok(name.clone()),
            _ => Err(TemplateError("before := stand variables such as $x".to_owned())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if names.is_empty() || names.len() > 2 {
        return Err(TemplateError("before := stand one or two variables".to_owned()));
    }
    Ok((names, &tokens[at + 1..]))
}

fn pipeline(tokens: &[Token]) -> Result<Pipeline, TemplateError> {
    let mut rest = tokens.iter();
    let (pipeline, closed) = commands(&mut rest, 0)?;
    match closed {
        None => Ok(pipeline),
        Some(_) => Err(TemplateError("unexpected )".to_owned())),
    }
}

/// Commands up to the end or to a `)`, whose fields are returned.
fn commands(
    tokens: &mut std::slice::Iter<'_, Token>,
    depth: usize,
) -> Result<(Pipeline, Option<Vec<String>>), TemplateError> {
    if depth > DEEPEST {
        return Err(too_deep());
    }
    let mut commands = Vec::new();
    let mut operands = Vec::new();
    let mut closed = None;
    while let Some(token) = tokens.next() {
        match token {
            Token::Pipe => commands.push(std::mem::take(&mut operands)),
            Token::Field(fields) => operands.push(Operand::Field(fields.clone())),
            Token::Variable(name, fields) => operands.push(Operand::Variable(name.clone(), fields.clone())),
            Token::Word(name) => operands.push(Operand::Function(name.clone())),
            Token::Literal(value) => operands.push(Operand::Literal(value.clone())),
            Token::Open => match self::commands(tokens, depth + 1)? {
                (group, Some(fields)) => operands.push(Operand::Group(group, fields)),
                (_, None) => return Err(TemplateError("( has no )".to_owned())),
            },
            Token::Close(fields) => {
                closed = Some(fields.clone());
                break;
            }
            Token::Comma | Token::Declare => return Err(TemplateError("unexpected , or :=".to_owned())),
        }
    }
    commands.push(operands);
    if commands.iter().any(Vec::is_empty) {
        return Err(TemplateError("a command is missing".to_owned()));
    }
    Ok((Pipeline(commands), closed))
}
