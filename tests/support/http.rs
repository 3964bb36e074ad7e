//! A small HTTP/1.1 server that a test programs, to be the registry that does everything wrong.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::oci::{Image, MANIFEST, sha256};

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What came of the body: less than it should be where the test cut the connection.
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl Request {
    /// The first byte that is asked for and the one behind the last, of a body of so many bytes; none for the whole.
    pub fn range(&self, length: usize) -> Option<(usize, usize)> {
        let (first, last) = self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let first = first.parse().ok().filter(|first| *first < length)?;
        let end = if last.is_empty() { length } else { last.parse::<usize>().ok()? + 1 };
        Some((first, end.min(length)))
    }
}

#[derive(Clone, Debug)]
pub enum Reply {
    /// Status, headers, body.
    Full(u16, Vec<(String, String)>, Vec<u8>),
    /// The headers promise the whole body; the connection closes after `usize` bytes of it.
    Cut(Vec<(String, String)>, Vec<u8>, usize),
    /// Headers and so many bytes of the body, and then nothing more.
    Stalled(Vec<(String, String)>, Vec<u8>, usize),
    /// Status, headers, body, at so many bytes a second.
    Paced(u16, Vec<(String, String)>, Vec<u8>, usize),
    /// The connection closes without a byte.
    Close,
    /// These bytes, which need not be HTTP, and then the end.
    Raw(Vec<u8>),
    /// Headers at once, then the body so slowly that it never ends in a test's time.
    Trickle(Vec<(String, String)>, Vec<u8>),
}

impl Reply {
    pub fn status(code: u16) -> Self {
        Self::Full(code, vec![], br#"{"errors":[{"code":"TEST","message":"no, says the test"}]}"#.to_vec())
    }

    /// A blob or the range of it that is asked for.
    pub fn blob(request: &Request, blob: &[u8]) -> Self {
        let (code, headers, body) = range_of(request, blob);
        Self::Full(code, headers, body)
    }

    pub fn body(content_type: &str, body: Vec<u8>) -> Self {
        Self::Full(200, vec![("Content-Type".into(), content_type.into())], body)
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;
/// After how many bytes of its body a request's connection closes.
type Cut = dyn Fn(&Request) -> Option<usize> + Send + Sync;

/// Serves until it is dropped.
pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn new(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::cutting(|_| None, handler)
    }

    /// As [`Server::new`]; where `cut` says so, the connection closes in the middle of a request's body, and nobody sees the reply.
    pub fn cutting(
        cut: impl Fn(&Request) -> Option<usize> + Send + Sync + 'static,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let cut: Arc<Cut> = Arc::new(cut);
        {
            let (requests, stop) = (requests.clone(), stop.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (handler, cut) = (handler.clone(), cut.clone());
                    let (requests, stop) = (requests.clone(), stop.clone());
                    std::thread::spawn(move || serve(stream, &*handler, &*cut, &requests, &stop));
                }
            });
        }
        Self { address, requests, stop }
    }

    /// A registry that serves `image` as every tag of every repository, except where `fault` answers first.
    pub fn registry(image: Image, fault: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let (manifest, blobs) = (image.manifest_bytes(), image.blobs());
        Self::new(move |request| fault(request).unwrap_or_else(|| registry_reply(request, &manifest, &blobs)))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// `127.0.0.1:PORT/name`
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then sees that it is to stop.
        let _ = TcpStream::connect(&self.address);
    }
}

fn registry_reply(request: &Request, manifest: &[u8], blobs: &BTreeMap<String, Vec<u8>>) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    if path == "/v2/" {
        return Reply::body("application/json", b"{}".to_vec());
    }
    if path.contains("/manifests/") {
        let headers = vec![
            ("Content-Type".to_owned(), MANIFEST.to_owned()),
            ("Docker-Content-Digest".to_owned(), sha256(manifest)),
        ];
        return Reply::Full(200, headers, manifest.to_vec());
    }
    match path.rsplit('/').next().and_then(|digest| blobs.get(digest)) {
        Some(bytes) => Reply::blob(request, bytes),
        None => Reply::status(404),
    }
}

/// Status, headers and body that answer a request for a blob, ranged or not.
pub fn range_of(request: &Request, blob: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers = vec![
        ("Content-Type".to_owned(), "application/octet-stream".to_owned()),
        ("Accept-Ranges".to_owned(), "bytes".to_owned()),
    ];
    let Some((first, end)) = request.range(blob.len()) else { return (200, headers, blob.to_vec()) };
    headers.push(("Content-Range".to_owned(), format!("bytes {first}-{}/{}", end - 1, blob.len())));
    (206, headers, blob[first..end].to_vec())
}

fn serve(stream: TcpStream, handler: &Handler, cut: &Cut, requests: &Mutex<Vec<Request>>, stop: &AtomicBool) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(mut request) = read_head(&mut reader) {
        let length = request.header("content-length").parse().unwrap_or(0);
        let cut = cut(&request).filter(|cut| *cut < length);
        let wanted = cut.unwrap_or(length) as u64;
        let _ = (&mut reader).take(wanted).read_to_end(&mut request.body);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        requests.lock().unwrap_or_else(|e| e.into_inner()).push(request.clone());
        let is_head = request.method == "HEAD";
        if cut.is_some() || request.body.len() < length {
            let _ = handler(&request);
            let _ = writer.shutdown(Shutdown::Both);
            return;
        }
        if !write_reply(&mut writer, handler(&request), is_head, stop) {
            let _ = writer.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn read_head(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers, body: Vec::new() })
}

/// Whether the connection can serve another request.
fn write_reply(writer: &mut TcpStream, reply: Reply, is_head: bool, stop: &AtomicBool) -> bool {
    let head = |code: u16, headers: &[(String, String)], length: usize| {
        let rows: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {code} Test\r\n{rows}Content-Length: {length}\r\n\r\n").into_bytes()
    };
    match reply {
        Reply::Full(code, headers, body) => {
            let body_sent = if is_head { &[] } else { &body[..] };
            writer.write_all(&head(code, &headers, body.len())).and_then(|()| writer.write_all(body_sent)).is_ok()
        }
        Reply::Cut(headers, body, keep) => {
            let _ = writer.write_all(&head(200, &headers, body.len()));
            let _ = writer.write_all(&body[..keep.min(body.len())]);
            false
        }
        Reply::Stalled(headers, body, keep) => {
            let _ = writer.write_all(&head(200, &headers, body.len()));
            let _ = writer.write_all(&body[..keep.min(body.len())]);
            // Until the other side has enough of it.
            let _ = writer.set_read_timeout(Some(Duration::from_secs(60)));
            let _ = writer.read(&mut [0]);
            false
        }
        Reply::Paced(code, headers, body, bytes_a_second) => {
            let mut sent = writer.write_all(&head(code, &headers, body.len()));
            let start = std::time::Instant::now();
            for (number, piece) in body.chunks(bytes_a_second / 50).enumerate() {
                let due = Duration::from_millis(20) * u32::try_from(number).expect("few pieces");
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                sent = sent.and_then(|()| writer.write_all(piece));
                if sent.is_err() || stop.load(Ordering::Relaxed) {
                    return false;
                }
            }
            sent.is_ok()
        }
        Reply::Close => false,
        Reply::Raw(bytes) => {
            let _ = writer.write_all(&bytes);
            false
        }
        Reply::Trickle(headers, body) => {
            let _ = writer.write_all(&head(200, &headers, body.len()));
            for byte in body {
                std::thread::sleep(Duration::from_millis(200));
                if stop.load(Ordering::Relaxed) || writer.write_all(&[byte]).is_err() {
                    break;
                }
            }
            false
        }
    }
}
