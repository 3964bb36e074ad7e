//! A Dockerfile's words: divided by blanks, with quotes, backslashes and variables as a shell reads them.

use std::iter::Peekable;
use std::str::Chars;

type Expanded<T> = Result<T, String>;

/// The words of a text. Never none for a text that is not empty.
pub(super) fn words(text: &str, env: &[String]) -> Expanded<Vec<String>> {
    read(text, env, true)
}

/// The text as one word.
pub(super) fn expanded(text: &str, env: &[String]) -> Expanded<String> {
    Ok(read(text, env, false)?.pop().unwrap_or_default())
}

fn read(text: &str, env: &[String], divided: bool) -> Expanded<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, blank) if divided && blank.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => {
                word.get_or_insert_default().push(characters.next().ok_or("it ends with a backslash")?);
            }
            (None | Some('"'), '$') => word.get_or_insert_default().push_str(&variable(&mut characters, env)?),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// What stands behind a `$`: `NAME`, `{NAME}`, `{NAME:-instead}` or `{NAME:+if set}`; anything else is a plain `$`.
fn variable(characters: &mut Peekable<Chars<'_>>, env: &[String]) -> Expanded<String> {
    let is_name = |character: &char| character.is_ascii_alphanumeric() || *character == '_';
    let mut name = String::new();
    let braced = characters.next_if_eq(&'{').is_some();
    while let Some(character) = characters.next_if(is_name) {
        name.push(character);
    }
    let value = env.iter().find_map(|pair| pair.strip_prefix(name.as_str())?.strip_prefix('=')).unwrap_or_default();
    if !braced {
        return Ok(if name.is_empty() { "$".to_owned() } else { value.to_owned() });
    }
    let mut rest = String::new();
    loop {
        match characters.next() {
            Some('}') => break,
            Some(character) => rest.push(character),
            None => return Err("a ${ is not closed".to_owned()),
        }
    }
    match rest.as_bytes() {
        [] if !name.is_empty() => Ok(value.to_owned()),
        [b':', b'-', ..] if value.is_empty() => expanded(&rest[2..], env),
        [b':', b'-', ..] => Ok(value.to_owned()),
        [b':', b'+', ..] if value.is_empty() => Ok(String::new()),
        [b':', b'+', ..] => expanded(&rest[2..], env),
        _ => Err(format!("${{{name}{rest}}} is no variable such as ${{NAME}} or ${{NAME:-value}}")),
    }
}
