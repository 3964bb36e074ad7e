//! Rust source as words and signs, without comments and literals: just enough to find imports and words.

/// A word, a `::`, or one other sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

/// Splits source text; string and character literals and comments give no token.
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < bytes.len() {
        let end = token_end(bytes, at);
        let piece = &text[at..end];
        let is_word = is_word_byte(bytes[at]);
        let is_literal = matches!(bytes[at], b'"' | b'\'') || (is_word && piece.contains(['"', '\'']));
        let is_comment = piece.starts_with("//") || piece.starts_with("/*");
        if !is_literal && !is_comment && !bytes[at].is_ascii_whitespace() {
            found.push(Token { text: piece.to_owned(), line });
        }
        line += piece.matches('\n').count();
        at = end;
    }
    found
}

/// Where the token, comment or literal that begins at `start` ends.
fn token_end(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start..];
    if rest.starts_with(b"//") {
        return start + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return block_comment_end(bytes, start);
    }
    if rest.starts_with(b"::") {
        return start + 2;
    }
    if let Some(end) = raw_string_end(bytes, start) {
        return end;
    }
    match rest[0] {
        b'"' => quoted_end(bytes, start, b'"'),
        b'b' | b'c' if rest.get(1) == Some(&b'"') => quoted_end(bytes, start + 1, b'"'),
        b'b' if rest.get(1) == Some(&b'\'') => quoted_end(bytes, start + 1, b'\''),
        b'\'' => quote_end(bytes, start),
        byte if is_word_byte(byte) => start + rest.iter().position(|b| !is_word_byte(*b)).unwrap_or(rest.len()),
        _ => start + 1,
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The end of `r"…"`, `r#"…"#`, `br"…"`; none if there is no raw string here.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = &bytes[start..];
    let prefix = [&b"br"[..], b"cr", b"r"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let hashes = rest[prefix.len()..].iter().take_while(|b| **b == b'#').count();
    let open = prefix.len() + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &rest[open + 1..];
    let length = body.windows(close.len()).position(|window| window == close).unwrap_or(body.len());
    Some((start + open + 1 + length + close.len()).min(bytes.len()))
}

/// The end of a literal whose opening quote stands at `open`.
fn quoted_end(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// A character literal, or the `'name` of a lifetime.
fn quote_end(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start + 1..];
    if rest.first() == Some(&b'\\') {
        return quoted_end(bytes, start, b'\'');
    }
    let first_length = match rest.first() {
        Some(byte) if *byte >= 0xf0 => 4,
        Some(byte) if *byte >= 0xe0 => 3,
        Some(byte) if *byte >= 0xc0 => 2,
        _ => 1,
    };
    if rest.get(first_length) == Some(&b'\'') {
        return start + 1 + first_length + 1;
    }
    start + 1 + rest.iter().position(|b| !is_word_byte(*b)).unwrap_or(rest.len())
}
