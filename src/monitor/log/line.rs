//! One json-file line: `{"log":"text\n","stream":"stdout","time":"…"}`.

use std::borrow::Cow;

use serde::Deserialize;

use crate::model::{LogEntry, LogStream, Timestamp};

/// Appends the line of one entry to `out`. Bytes that are not UTF-8 become U+FFFD, as in Docker.
pub fn write(out: &mut Vec<u8>, text: &[u8], stream: LogStream, time: &str) {
    out.extend_from_slice(b"{\"log\":\"");
    for chunk in text.utf8_chunks() {
        escape(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    let stream: &[u8] = match stream {
        LogStream::Stdout => b"stdout",
        LogStream::Stderr => b"stderr",
    };
    for part in [b"\",\"stream\":\"", stream, b"\",\"time\":\"", time.as_bytes(), b"\"}\n"] {
        out.extend_from_slice(part);
    }
}

/// Escapes what JSON needs and what Docker's writer escapes besides: `<`, `>`, `&` and the two line separators.
fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let replacement: Cow<'static, [u8]> = match byte {
            b'"' => Cow::Borrowed(b"\\\""),
            b'\\' => Cow::Borrowed(b"\\\\"),
            b'\n' => Cow::Borrowed(b"\\n"),
            b'\r' => Cow::Borrowed(b"\\r"),
            0..=0x1f | b'<' | b'>' | b'&' => Cow::Owned(format!("\\u{byte:04x}").into_bytes()),
            0xe2 if bytes[index..].starts_with("\u{2028}".as_bytes()) => Cow::Borrowed(b"\\u2028"),
            0xe2 if bytes[index..].starts_with("\u{2029}".as_bytes()) => Cow::Borrowed(b"\\u2029"),
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..index]);
        out.extend_from_slice(&replacement);
        plain = index + if byte == 0xe2 { 3 } else { 1 };
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// Reads one line; `None` if it is not one.
pub fn parse(line: &[u8]) -> Option<LogEntry> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        log: String,
        stream: LogStream,
        time: Timestamp,
    }
    let Line { log, stream, time } = serde_json::from_slice(line).ok()?;
    Some(LogEntry { time, stream, text: log })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_written_as_docker_writes_it_and_read_back() {
        let mut out = Vec::new();
        write(&mut out, b"a<b>&\"\\\t\x1b[1m\xff\xe2\x80\xa8\n", LogStream::Stderr, "2026-01-02T03:04:05.000000006Z");
        let expected = concat!(
            r#"{"log":"a\u003cb\u003e\u0026\"\\\u0009\u001b[1m\ufffd\u2028\n","#,
            r#""stream":"stderr","time":"2026-01-02T03:04:05.000000006Z"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out.clone()).expect("UTF-8"), expected);
        let entry = parse(&out).expect("a line");
        assert_eq!(entry.text, "a<b>&\"\\\t\x1b[1m\u{fffd}\u{2028}\n");
        assert_eq!(
            (entry.stream, entry.time.to_string().as_str()),
            (LogStream::Stderr, "2026-01-02T03:04:05.000000006Z")
        );
    }

    #[test]
    fn dockers_shorter_times_are_read_and_garbage_is_not() {
        assert!(parse(br#"{"log":"x","stream":"stdout","time":"2026-01-02T03:04:05.12Z"}"#).is_some());
        for garbage in
            [&b""[..], b"x", b"{}", b"{\"log\":\"\xff\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}"]
        {
            assert_eq!(parse(garbage), None);
        }
    }
}
