//! D-Bus messages, as much of them as asking systemd needs (D-Bus specification, "message protocol").

use std::io;

/// An argument of a call, or a value in a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    U64(u64),
    Text(String),
    /// `au`.
    Numbers(Vec<u32>),
    /// `ay`.
    Bytes(Vec<u8>),
}

/// A unit's properties: `a(sv)`.
pub(super) type Properties = Vec<(&'static str, Value)>;

/// A method call on one object.
pub(super) struct Call<'a> {
    pub destination: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
    pub member: &'a str,
    pub signature: &'a str,
    pub body: Body,
}

/// What a message says, once it has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub kind: Kind,
    pub reply_to: u32,
    pub member: String,
    pub error_name: String,
    /// The strings and object paths of the body, in order; other types are passed over.
    pub texts: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Other,
    Return,
    Error,
    Signal,
}

/// Bytes with D-Bus's alignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    bytes: Vec<u8>,
}

const METHOD_CALL: u8 = 1;
const ENDIANNESS: u8 = if cfg!(target_endian = "little") { b'l' } else { b'B' };

/// Header fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// The specification's limit of a message.
const LONGEST: usize = 128 << 20;

impl Body {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.align(4);
        self.bytes.extend(number.to_ne_bytes());
        self
    }

    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u32(u32::from(value))
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.u32(length(text.len()));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
        self
    }

    fn signature(&mut self, text: &str) -> &mut Self {
        self.bytes.push(u8::try_from(text.len()).expect("signatures are short"));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
        self
    }

    /// An array: its length in bytes, then, aligned to its elements, what `fill` writes.
    pub fn array(&mut self, alignment: usize, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.u32(0);
        let length_at = self.bytes.len() - 4;
        self.align(alignment);
        let start = self.bytes.len();
        fill(self);
        let filled = length(self.bytes.len() - start).to_ne_bytes();
        self.bytes[length_at..length_at + 4].copy_from_slice(&filled);
        self
    }

    pub fn properties(&mut self, properties: &Properties) -> &mut Self {
        self.array(8, |body| {
            for (name, value) in properties {
                body.align(8);
                body.text(name).variant(value);
            }
        })
    }

    fn variant(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Bool(value) => self.signature("b").bool(*value),
            Value::U64(number) => {
                self.signature("t").align(8);
                self.bytes.extend(number.to_ne_bytes());
                self
            }
            Value::Text(text) => self.signature("s").text(text),
            Value::Numbers(numbers) => self.signature("au").array(4, |body| {
                for number in numbers {
                    body.u32(*number);
                }
            }),
            Value::Bytes(bytes) => self.signature("ay").array(1, |body| body.bytes.extend(bytes)),
        }
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("messages to systemd are short")
}

impl Call<'_> {
    /// The whole message.
    pub fn encode(&self, serial: u32) -> Vec<u8> {
        let mut message = Body { bytes: vec![ENDIANNESS, METHOD_CALL, 0, 1] };
        message.u32(length(self.body.bytes.len())).u32(serial);
        let fields = [
            (PATH, "o", self.path),
            (INTERFACE, "s", self.interface),
            (MEMBER, "s", self.member),
            (DESTINATION, "s", self.destination),
        ];
        message.array(8, |message| {
            for (code, signature, text) in fields.into_iter().filter(|(_, _, text)| !text.is_empty()) {
                message.align(8);
                message.bytes.push(code);
                message.signature(signature).text(text);
            }
            if !self.signature.is_empty() {
                message.align(8);
                message.bytes.push(SIGNATURE);
                message.signature("g").signature(self.signature);
            }
        });
        message.align(8);
        message.bytes.extend(&self.body.bytes);
        message.bytes
    }
}

/// How long a message is, told by its first sixteen bytes.
pub(super) fn whole_length(head: &[u8; 16]) -> io::Result<usize> {
    if head[0] != ENDIANNESS {
        return Err(malformed("a byte order that is not this machine's"));
    }
    let number = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let whole = (16 + number(12)).next_multiple_of(8) + number(4);
    if whole > LONGEST { Err(malformed("a message of more than 128 MiB")) } else { Ok(whole) }
}

impl Message {
    /// From the bytes of a whole message.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut reader = Reader { bytes, at: 1 };
        let kind = match reader.byte()? {
            2 => Kind::Return,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => Kind::Other,
        };
        reader.at = 12;
        let fields_end = 16 + reader.u32()? as usize;
        let mut message = Self { kind, ..Self::default() };
        let mut signature = String::new();
        while reader.at < fields_end {
            reader.align(8);
            let code = reader.byte()?;
            let held = reader.signature()?;
            match (code, held.as_str()) {
                (REPLY_SERIAL, "u") => message.reply_to = reader.u32()?,
                (MEMBER, "s") => message.member = reader.text()?,
                (ERROR_NAME, "s") => message.error_name = reader.text()?,
                (SIGNATURE, "g") => signature = reader.signature()?,
                (_, "s" | "o") => drop(reader.text()?),
                (_, "u") => drop(reader.u32()?),
                (_, "g") => drop(reader.signature()?),
                _ => return Err(malformed("an unknown header field")),
            }
        }
        reader.align(8);
        for kind in signature.chars() {
            match kind {
                's' | 'o' => message.texts.push(reader.text()?),
                'u' | 'i' | 'b' => drop(reader.u32()?),
                // Nothing that is waited for has more.
                _ => break,
            }
        }
        Ok(message)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let end = self.at.checked_add(count).ok_or_else(|| malformed("a length beyond its end"))?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| malformed("a length beyond its end"))?;
        self.at = end;
        Ok(taken)
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.align(4);
        let bytes = self.take(4)?;
        Ok(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.u32()? as usize;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(text)
    }

    fn signature(&mut self) -> io::Result<String> {
        let length = usize::from(self.byte()?);
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(text)
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("D-Bus message with {what}"))
}

/// A message as the other side would send it: a return, an error called `name` or the signal `name`.
#[cfg(test)]
pub(super) fn answer(kind: u8, reply_to: u32, name: &str, signature: &str, body: &Body) -> Vec<u8> {
    let mut message = Body { bytes: vec![ENDIANNESS, kind, 0, 1] };
    message.u32(length(body.bytes.len())).u32(9);
    message.array(8, |message| {
        message.align(8);
        message.bytes.push(REPLY_SERIAL);
        message.signature("u").u32(reply_to);
        if !name.is_empty() {
            message.align(8);
            message.bytes.push(if kind == 3 { ERROR_NAME } else { MEMBER });
            message.signature("s").text(name);
        }
        message.align(8);
        message.bytes.push(SIGNATURE);
        message.signature("g").signature(signature);
    });
    message.align(8);
    message.bytes.extend(&body.bytes);
    message.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_is_laid_out_as_the_specification_says() {
        let mut body = Body::default();
        body.text("ab").properties(&vec![("N", Value::U64(7)), ("B", Value::Bool(true))]);
        let call = Call { destination: "d.e", path: "/p", interface: "i.f", member: "M", signature: "sa(sv)", body };
        let bytes = call.encode(5);
        let number = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        assert_eq!((bytes[0], bytes[1], bytes[3]), (ENDIANNESS, METHOD_CALL, 1));
        assert_eq!(number(8), 5, "the serial");
        let head: [u8; 16] = bytes[..16].try_into().expect("sixteen");
        assert_eq!(whole_length(&head).expect("length"), bytes.len());
        // Fields: a byte, a signature of one letter, a length, text: each begins at a multiple of eight.
        assert_eq!(
            (bytes[16], &bytes[17..20], number(20), &bytes[24..27]),
            (PATH, b"\x01o\0".as_slice(), 2, b"/p\0".as_slice())
        );
        assert_eq!((bytes[32], &bytes[40..43]), (INTERFACE, b"i.f".as_slice()));
        let start = bytes.len() - number(4) as usize;
        assert_eq!(start % 8, 0);
        // "ab": 4 + 3 bytes, padding to 8; the array's length and padding to 16.
        assert_eq!((number(start), &bytes[start + 4..start + 7]), (2, b"ab\0".as_slice()));
        assert_eq!(number(start + 8) as usize, bytes.len() - start - 16);
        // ("N", <t 7>): text at 16, signature at 22, value at 32.
        assert_eq!(
            (&bytes[start + 20..start + 22], &bytes[start + 22..start + 25]),
            (b"N\0".as_slice(), b"\x01t\0".as_slice())
        );
        assert_eq!(bytes[start + 32..start + 40], 7_u64.to_ne_bytes());
        assert_eq!((number(start + 40), number(bytes.len() - start + start - 4)), (1, 1), "the second property, true");
    }

    #[test]
    fn replies_errors_and_signals_are_read() {
        let mut body = Body::default();
        body.u32(3).text("/job/3").text("x.scope").text("done");
        let signal = answer(4, 0, "JobRemoved", "uoss", &body);
        let message = Message::decode(&signal).expect("signal");
        assert_eq!((message.kind, message.member.as_str()), (Kind::Signal, "JobRemoved"));
        assert_eq!(message.texts, ["/job/3", "x.scope", "done"]);
        let mut body = Body::default();
        body.text("no such unit");
        let error = Message::decode(&answer(3, 4, "a.b.C", "s", &body)).expect("error");
        assert_eq!((error.kind, error.reply_to, error.error_name.as_str()), (Kind::Error, 4, "a.b.C"));
        assert_eq!(error.texts, ["no such unit"]);
    }

    #[test]
    fn messages_cut_anywhere_are_errors_and_no_panics() {
        let mut body = Body::default();
        body.text("text");
        let whole = answer(2, 1, "", "s", &body);
        for end in 0..whole.len() {
            assert!(Message::decode(&whole[..end]).is_err(), "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] = 0xff;
            let _ = Message::decode(&broken);
        }
        Message::decode(&whole).expect("whole");
    }
}
