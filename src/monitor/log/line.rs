//! One json-file line: `{"log":"text\n","stream":"stdout","time":"…"}`.

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

/// Bytes that can't stand in a line as they are. 0xe2 begins the line separators.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = true;
        byte += 1;
    }
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    special[b'&' as usize] = true;
    special[0xe2] = true;
    special
};

/// Escapes what JSON needs and what Docker's writer escapes besides: `<`, `>`, `&` and the two line separators.
fn escape(out: &mut Vec<u8>, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| SPECIAL[usize::from(byte)]) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (replacement, length): (&[u8], usize) = match rest {
            [b'"', ..] => (b"\\\"", 1),
            [b'\\', ..] => (b"\\\\", 1),
            [b'\n', ..] => (b"\\n", 1),
            [b'\r', ..] => (b"\\r", 1),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            [byte @ (..0x20 | b'<' | b'>' | b'&'), ..] => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
                (b"", 1)
            }
            // Another character that begins with 0xe2.
            _ => (&rest[..1], 1),
        };
        out.extend_from_slice(replacement);
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
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
