//! Archives that readers disagree about, byte by byte.

use super::*;

/// An archive in the making; nothing in it is checked.
#[derive(Default)]
struct Bytes(Vec<u8>);

fn put(block: &mut [u8], at: usize, text: &[u8]) {
    block[at..at + text.len()].copy_from_slice(text);
}

/// A POSIX header of this name, type and size; `more` changes it before its checksum is made.
fn header(name: &str, kind: u8, size: usize, more: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut block = vec![0u8; BLOCK];
    put(&mut block, 0, name.as_bytes());
    for at in [100, 108, 116] {
        put(&mut block, at, b"0000000\0");
    }
    put(&mut block, 124, format!("{size:011o}\0").as_bytes());
    put(&mut block, 136, b"00000000012\0");
    block[156] = kind;
    put(&mut block, 257, b"ustar\x0000");
    more(&mut block);
    put(&mut block, 148, b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    block
}

impl Bytes {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    fn entry(self, name: &str, kind: u8, content: &[u8]) -> Self {
        self.raw(&header(name, kind, content.len(), |_| {})).raw(content)
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length =
                (1..).map(|digits| rest + digits).find(|it| it - rest == it.to_string().len()).expect("a length");
            content.extend_from_slice(format!("{length} {key}=").as_bytes());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        self.entry("PaxHeaders/x", b'x', &content)
    }

    fn end(self) -> Vec<u8> {
        let mut bytes = self.0;
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        bytes
    }
}

/// Every entry's path and content.
fn read(bytes: &[u8]) -> io::Result<Vec<(String, String)>> {
    let mut reader = bytes;
    let mut archive = Archive::new(&mut reader);
    let mut all = Vec::new();
    while let Some(entry) = archive.next()? {
        let (mut content, mut buffer) = (Vec::new(), [0; 100]);
        loop {
            match archive.read(&mut buffer)? {
                0 => break,
                read => content.extend_from_slice(&buffer[..read]),
            }
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        all.push((text(&entry.path), text(&content)));
    }
    Ok(all)
}

fn names(bytes: Bytes) -> Vec<String> {
    read(&bytes.end()).expect("a good archive").into_iter().map(|(name, _)| name).collect()
}

#[track_caller]
fn refused(bytes: Bytes, word: &str) {
    let error = read(&bytes.end()).expect_err("a bad archive").to_string();
    assert!(error.contains(word), "{word:?} in {error}");
}

#[test]
fn size_of_pax_wins_over_the_headers_whichever_is_larger() {
    // CVE-2025-62518 and CVE-2026-33055: an archive in a file must not come out of it, nor a file vanish in one.
    let inner = header("smuggled", b'0', 0, |_| {});
    let hidden = Bytes::default().pax(&[("size", b"512")]).raw(&header("outer", b'0', 0, |_| {})).raw(&inner);
    assert_eq!(names(hidden.entry("last", b'0', b"")), ["outer", "last"]);
    let shown = Bytes::default().pax(&[("size", b"0")]).raw(&header("outer", b'0', 512, |_| {})).raw(&inner);
    assert_eq!(names(shown.entry("last", b'0', b"")), ["outer", "smuggled", "last"]);
}

#[test]
fn size_of_pax_is_for_the_file_and_not_for_its_long_name() {
    let bytes = Bytes::default()
        .pax(&[("size", b"2048")])
        .entry("././@LongLink", b'L', b"long\0")
        .raw(&header("short", b'0', 16, |_| {}))
        .raw(&[b'x'; 2048])
        .entry("last", b'0', b"");
    let all = read(&bytes.end()).expect("a good archive");
    assert_eq!((all[0].0.as_str(), all[0].1.len(), all[1].0.as_str()), ("long", 2048, "last"));
}

#[test]
fn record_within_a_records_value_is_no_record() {
    let value = b"x\n12 size=512\n17 path=elsewhere\n";
    let bytes = Bytes::default().pax(&[("comment", value)]).entry("own", b'0', b"content").entry("last", b'0', b"");
    let all = read(&bytes.end()).expect("a good archive");
    assert_eq!(all[0], ("own".to_owned(), "content".to_owned()));
    assert_eq!(all.len(), 2);
    let capability = [1, 0, 0, 2, b'\n', b'\n', 0, 0, 0, 0];
    let bytes = Bytes::default().pax(&[("SCHILY.xattr.security.capability", &capability), ("path", b"after")]);
    assert_eq!(names(bytes.entry("own", b'0', b"")), ["after"], "as Go orders its records");
}

#[test]
fn content_of_what_can_have_none_is_refused_but_of_hard_links_passed_by() {
    for kind in *b"23456" {
        refused(Bytes::default().entry("odd", kind, &[b'x'; 600]), "content");
        let pax = Bytes::default().pax(&[("size", b"600")]).entry("odd", kind, b"").raw(&[b'x'; 600]);
        refused(pax, "content");
    }
    let linked = Bytes::default().entry("a", b'0', b"").raw(&header("b", b'1', 9000, |_| {})).entry("c", b'0', b"");
    assert_eq!(names(linked), ["a", "b", "c"]);
}

#[test]
fn twice_described_and_never_following_files_are_refused() {
    let pax = || Bytes::default().pax(&[("path", b"a")]);
    refused(pax().pax(&[("path", b"b")]).entry("c", b'0', b""), "two PAX");
    let long = || Bytes::default().entry("L", b'L', b"a\0");
    refused(long().entry("L", b'L', b"b\0").entry("c", b'0', b""), "two long names");
    refused(pax(), "should follow");
    refused(long(), "should follow");
    assert!(read(&pax().0).is_err(), "without an end mark too");
}

#[test]
fn long_names_end_at_their_zero_and_win_over_pax() {
    let long = "n/".repeat(600) + "end";
    let bytes = Bytes::default()
        .pax(&[("path", b"from pax")])
        .entry("L", b'L', format!("{long}\0rubbish").as_bytes())
        .entry("short", b'0', b"");
    assert_eq!(names(bytes), [long]);
    let odd = Bytes::default().raw(&header("name", b'0', 0, |block| put(block, 345, b"prefix/of"))).raw(b"");
    assert_eq!(names(odd), ["prefix/of/name"]);
    let gnu = header("name", b'0', 0, |block| {
        put(block, 257, b"ustar  \0");
        put(block, 345, b"00000000001");
    });
    assert_eq!(names(Bytes::default().raw(&gnu)), ["name"], "GNU has a time there");
}

#[test]
fn ends_and_checksums_are_looked_at() {
    refused(Bytes::default().raw(&[0; BLOCK]).entry("after", b'0', b""), "single block of zeros");
    let mut wrong = header("a", b'0', 0, |_| {});
    wrong[0] = b'b';
    refused(Bytes::default().raw(&wrong), "checksum");
    let mut signed = header("a\u{e9}", b'0', 0, |_| {});
    let sum: i64 = signed
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { i64::from(*byte as i8) })
        .sum();
    put(&mut signed, 148, format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(names(Bytes::default().raw(&signed)), ["a\u{e9}"]);
    assert_eq!(read(&[]).expect("nothing at all"), []);
    assert!(read(&[b'x'; 700]).is_err());
}

/// The file of a sparse entry as a program would read it.
fn filled(bytes: Bytes) -> io::Result<Vec<u8>> {
    let bytes = bytes.end();
    let mut reader = &bytes[..];
    let mut archive = Archive::new(&mut reader);
    let entry = archive.next()?.expect("an entry");
    let mut file = vec![0; entry.size as usize];
    for fragment in entry.fragments.expect("a sparse file") {
        let mut place = &mut file[fragment.offset as usize..][..fragment.length as usize];
        while !place.is_empty() {
            let read = archive.read(place)?;
            place = &mut place[read..];
        }
    }
    assert!(archive.next()?.is_none(), "nothing is left over");
    Ok(file)
}

#[test]
fn sparse_files_of_all_four_formats_are_read() {
    let expected = b"\0\0\0\0\0abc\0\0de\0\0\0".to_vec();
    let old = header("s", b'S', 5, |block| {
        put(block, 257, b"ustar  \0");
        put(block, 386, b"00000000005\x0000000000003\x0000000000012\x0000000000002\x00");
        put(block, 483, b"00000000017\0");
    });
    assert_eq!(filled(Bytes::default().raw(&old).raw(b"abcde")).expect("GNU's own"), expected);
    let first = [
        ("GNU.sparse.size", &b"15"[..]),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.offset", b"5"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"10"),
        ("GNU.sparse.numbytes", b"2"),
    ];
    assert_eq!(filled(Bytes::default().pax(&first).entry("s", b'0', b"abcde")).expect("PAX 0.0"), expected);
    let second = [("GNU.sparse.size", &b"15"[..]), ("GNU.sparse.map", b"5,3,10,2"), ("GNU.sparse.name", b"s")];
    assert_eq!(filled(Bytes::default().pax(&second).entry("s", b'0', b"abcde")).expect("PAX 0.1"), expected);
    let third = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"15")];
    let mut content = b"2\n5\n3\n10\n2\n".to_vec();
    content.resize(BLOCK, 0);
    content.extend_from_slice(b"abcde");
    assert_eq!(filled(Bytes::default().pax(&third).entry("s", b'0', &content)).expect("PAX 1.0"), expected);
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    let sparse = |map: &[u8]| Bytes::default().pax(&[("GNU.sparse.size", b"15"), ("GNU.sparse.map", map)]);
    for map in [&b"5,3"[..], b"5,6", b"11,5", b"5,3,4,2", b"5,9223372036854775807", b"5"] {
        assert!(filled(sparse(map).entry("s", b'0', b"abcde")).is_err(), "{map:?}");
    }
    let endless = header("s", b'S', 0, |block| block[482] = 1);
    let mut block = vec![0; BLOCK];
    block[504] = 1;
    let blocks = block.repeat(3000);
    refused(Bytes::default().raw(&endless).raw(&blocks), "1 MiB");
    let cut = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.realsize", b"15")];
    refused(Bytes::default().pax(&cut).entry("s", b'0', b"999\n1\n"), "cut short");
    let unknown = [("GNU.sparse.major", &b"2"[..]), ("GNU.sparse.realsize", b"15")];
    refused(Bytes::default().pax(&unknown).entry("s", b'0', b""), "not known");
}
