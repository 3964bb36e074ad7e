//! What a container asks, and what it is told: messages of DNS (RFC 1035) in and out, nothing sent or received here.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::view::{Reverse, View};

/// Seconds that an answer may be kept: a container that is started again may have another address.
const TTL: u32 = 5;
/// What clients without EDNS take (RFC 1035, 4.2.1), and what a reasonable one with it does.
const PLAIN_BYTES: usize = 512;
const MOST_BYTES: usize = 4096;
/// A header of DNS.
const HEADER_BYTES: usize = 12;

/// By which way a question came: how long an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Datagram,
    Stream,
}

/// What becomes of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Answer(Vec<u8>),
    /// To be asked of the world, as it is. Its question section ends at this byte.
    Forward(usize),
    /// No question at all.
    Ignore,
}

/// Decides on a question.
pub fn judge(bytes: &[u8], way: Way, view: &mut View) -> Verdict {
    // An answer is never answered, or two resolvers would talk for ever.
    if bytes.len() < HEADER_BYTES || bytes[2] & 0x80 != 0 {
        return Verdict::Ignore;
    }
    let Ok(asked) = Message::from_vec(bytes) else { return refusal(bytes, ResponseCode::FormErr) };
    if asked.metadata.message_type != MessageType::Query {
        return Verdict::Ignore;
    }
    if asked.metadata.op_code != OpCode::Query {
        return refusal(bytes, ResponseCode::NotImp);
    }
    let ([query], Some(end)) = (&asked.queries[..], question_end(bytes)) else {
        return refusal(bytes, ResponseCode::FormErr);
    };
    match records(query, view) {
        Some(Told { code, records }) => answer(&asked, query, way, code, records),
        None if view.may_forward() => Verdict::Forward(end),
        // Nothing of the world is there for a container that only has internal networks.
        None => answer(&asked, query, way, ResponseCode::NXDomain, Vec::new()),
    }
}

struct Told {
    code: ResponseCode,
    records: Vec<RData>,
}

/// What teu itself knows; none where it is no matter of its own.
fn records(query: &Query, view: &mut View) -> Option<Told> {
    if !matches!(query.query_class(), DNSClass::IN | DNSClass::ANY) {
        return None;
    }
    let told = |records| Some(Told { code: ResponseCode::NoError, records });
    if let Some(address) = reverse_of(query.name()) {
        return match view.names(address) {
            Reverse::Named(names) => {
                let wanted = matches!(query.query_type(), RecordType::PTR | RecordType::ANY);
                let names = names.iter().filter(|_| wanted);
                told(names.filter_map(|name| Some(RData::PTR(PTR(absolute(name)?)))).collect())
            }
            Reverse::Nobody => Some(Told { code: ResponseCode::NXDomain, records: Vec::new() }),
            Reverse::Foreign => None,
        };
    }
    let addresses = view.addresses(&plain(query.name())?)?;
    let record = |address| match (address, query.query_type()) {
        (IpAddr::V4(it), RecordType::A | RecordType::ANY) => Some(RData::A(A(it))),
        (IpAddr::V6(it), RecordType::AAAA | RecordType::ANY) => Some(RData::AAAA(AAAA(it))),
        _ => None,
    };
    told(addresses.into_iter().filter_map(record).collect())
}

fn answer(asked: &Message, query: &Query, way: Way, code: ResponseCode, records: Vec<RData>) -> Verdict {
    let mut told = Message::response(asked.metadata.id, OpCode::Query);
    told.metadata.authoritative = true;
    told.metadata.recursion_desired = asked.metadata.recursion_desired;
    told.metadata.recursion_available = true;
    told.metadata.response_code = code;
    told.add_query(query.clone());
    told.add_answers(records.into_iter().map(|data| Record::from_rdata(query.name().clone(), TTL, data)));
    let mut most = PLAIN_BYTES;
    if let Some(edns) = &asked.edns {
        most = usize::from(edns.max_payload()).clamp(PLAIN_BYTES, MOST_BYTES);
        let mut own = Edns::new();
        own.set_max_payload(MOST_BYTES as u16);
        told.set_edns(own);
    }
    let most = if way == Way::Stream { usize::from(u16::MAX) } else { most };
    match told.to_vec() {
        Ok(bytes) if bytes.len() <= most => Verdict::Answer(bytes),
        Ok(_) => told.truncate().to_vec().map_or(Verdict::Ignore, Verdict::Answer),
        Err(_) => Verdict::Ignore,
    }
}

/// An answer that only says why there is none. Of the question only its id is known for sure.
fn refusal(bytes: &[u8], code: ResponseCode) -> Verdict {
    let id = u16::from_be_bytes([bytes[0], bytes[1]]);
    Message::error_msg(id, OpCode::Query, code).to_vec().map_or(Verdict::Ignore, Verdict::Answer)
}

/// The answer to a question that nobody in the world has answered, made of the question.
pub fn failure(question: &[u8], question_end: usize) -> Vec<u8> {
    const NO_RECORDS: [u8; 6] = [0; 6];
    const SERVER_FAILURE: u8 = 2;
    let mut told = question.get(..question_end).unwrap_or(question).to_vec();
    // QR and RD as it was; RA and the code. One question, and nothing behind it.
    told[2] = 0x80 | told[2] & 0x79;
    told[3] = 0x80 | SERVER_FAILURE;
    told[6..HEADER_BYTES].copy_from_slice(&NO_RECORDS);
    told
}

/// Where the question section of a message with one question ends. Its name is written out: a pointer has nothing to point to.
pub fn question_end(bytes: &[u8]) -> Option<usize> {
    let mut at = HEADER_BYTES;
    loop {
        match bytes.get(at)? {
            0 => break,
            length if *length < 64 => at += 1 + usize::from(*length),
            _ => return None,
        }
    }
    let end = at + 5;
    (end <= bytes.len()).then_some(end)
}

/// Whether `answer` answers `question`: the same id, one question, the same one.
pub fn answers(answer: &[u8], question: &[u8], question_end: usize) -> bool {
    let (Some(header), Some(section)) = (answer.get(..HEADER_BYTES), answer.get(HEADER_BYTES..question_end)) else {
        return false;
    };
    header[..2] == question[..2]
        && header[2] & 0x80 != 0
        && header[4..6] == [0, 1]
        && section.eq_ignore_ascii_case(&question[HEADER_BYTES..question_end])
}

/// Whether another server may know better: SERVFAIL, NOTIMP, REFUSED.
pub fn is_unhelpful(answer: &[u8]) -> bool {
    matches!(answer.get(3).map(|byte| byte & 0x0f), Some(2 | 4 | 5))
}

/// A name in small letters as people write it; none for one with bytes that no container's name has.
fn plain(name: &Name) -> Option<String> {
    let mut text = String::new();
    for label in name.iter() {
        if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }
    (!text.is_empty()).then_some(text)
}

/// The one address that a name below in-addr.arpa or ip6.arpa stands for.
fn reverse_of(name: &Name) -> Option<IpAddr> {
    let range = name.parse_arpa_name().ok()?;
    (range.prefix_len() == range.max_prefix_len()).then(|| range.addr())
}

fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::listing::Listed;
    use super::*;
    use crate::model::{Id, Network, NetworkDriver, Subnet, Timestamp};
    use crate::network::{Lease, Machine};

    /// A network `lan` with containers `box1`, `box2`, … that all have the alias `all`; their leases end with what is returned.
    fn lan(folder: &Path, containers: u8, internal: bool) -> (View, Vec<Lease>) {
        let machine = Machine::open(folder).expect("a folder");
        let subnet = Subnet {
            subnet: "10.9.0.0/24".parse().expect("a subnet"),
            gateway: "10.9.0.1".parse().expect("an address"),
            range: None,
        };
        let network = Network {
            id: Id::from_bytes([9; 32]),
            name: "lan".parse().expect("a name"),
            driver: NetworkDriver::Bridge,
            created: Timestamp::EPOCH,
            subnets: vec![subnet.clone()],
            internal,
            mtu: None,
            link: "teu-lan".to_owned(),
            labels: Default::default(),
            options: Default::default(),
        };
        let put = |number: u8| {
            let lease = machine.lease(&network, &subnet, None, None).expect("an address");
            let listed = Listed {
                id: Id::from_bytes([number; 32]),
                name: format!("box{number}"),
                hostname: "localname".to_owned(),
                aliases: vec!["all".to_owned()],
                addresses: vec![lease.address()],
            };
            machine.listing().put(&network.id, &listed).expect("put");
            lease
        };
        let leases = (1..=containers).map(put).collect();
        let mut view = View::new(machine);
        view.set_networks(vec![network]);
        (view, leases)
    }

    fn asked(name: &str, kind: RecordType, payload: Option<u16>) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
        if let Some(payload) = payload {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        message.to_vec().expect("a message")
    }

    fn told(question: &[u8], way: Way, view: &mut View) -> Message {
        match judge(question, way, view) {
            Verdict::Answer(bytes) => Message::from_vec(&bytes).expect("a message"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_are_as_long_as_the_asker_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut view, _leases) = lan(folder.path(), 120, false);
        let plain = told(&asked("all.", RecordType::A, None), Way::Datagram, &mut view);
        assert!(plain.metadata.truncation && plain.answers.is_empty());
        let large = told(&asked("ALL.lan.", RecordType::A, Some(4096)), Way::Datagram, &mut view);
        assert_eq!((large.metadata.id, large.answers.len(), large.edns.is_some()), (7, 120, true));
        assert!(large.metadata.recursion_desired && large.metadata.recursion_available);
        let stream = told(&asked("all.", RecordType::ANY, None), Way::Stream, &mut view);
        assert_eq!(stream.answers.len(), 120);
        let first =
            |view: &mut View| told(&asked("all.", RecordType::A, Some(4096)), Way::Datagram, view).answers[0].clone();
        assert_ne!(first(&mut view), first(&mut view), "they take turns");
    }

    #[test]
    fn names_are_believed_while_their_addresses_are_leased() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut view, mut leases) = lan(folder.path(), 2, true);
        let count = |view: &mut View| told(&asked("all.", RecordType::A, None), Way::Datagram, view).answers.len();
        assert_eq!(count(&mut view), 2);
        leases.remove(0);
        assert_eq!(count(&mut view), 1);
        let gone = told(&asked("box1.", RecordType::A, None), Way::Datagram, &mut view);
        assert_eq!(gone.metadata.response_code, ResponseCode::NXDomain, "internal: nobody else is asked");
        let reverse = told(&asked("3.0.9.10.in-addr.arpa.", RecordType::PTR, None), Way::Datagram, &mut view);
        assert_eq!(reverse.answers.len(), 1);
        let free = told(&asked("2.0.9.10.in-addr.arpa.", RecordType::PTR, None), Way::Datagram, &mut view);
        assert_eq!(free.metadata.response_code, ResponseCode::NXDomain);
    }

    #[test]
    fn what_is_no_question_is_refused_or_not_heard() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut view, _leases) = lan(folder.path(), 1, false);
        let good = asked("world.example.", RecordType::A, None);
        assert_eq!(judge(&good, Way::Datagram, &mut view), Verdict::Forward(good.len()));
        let mut answer = good.clone();
        answer[2] |= 0x80;
        assert_eq!(judge(&answer, Way::Datagram, &mut view), Verdict::Ignore);
        assert_eq!(judge(&good[..11], Way::Datagram, &mut view), Verdict::Ignore);
        let code = |bytes: &[u8], view: &mut View| told(bytes, Way::Datagram, view).metadata.response_code;
        assert_eq!(code(&good[..20], &mut view), ResponseCode::FormErr);
        let mut update = good.clone();
        update[2] |= 5 << 3;
        assert!(matches!(judge(&update, Way::Datagram, &mut view), Verdict::Answer(_)));
        // A name that points to itself.
        let mut looped = good.clone();
        looped[12..14].copy_from_slice(&[0xc0, 12]);
        assert_eq!(code(&looped, &mut view), ResponseCode::FormErr);
        let mut state = 1u64;
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] = (state >> 24) as u8;
            }
            bytes.truncate((state >> 40) as usize % (bytes.len() + 1));
            if let Verdict::Forward(end) = judge(&bytes, Way::Stream, &mut view) {
                assert!(end <= bytes.len());
                assert!(answers(&failure(&bytes, end), &bytes, end), "a failure answers its question");
            }
        }
    }

    #[test]
    fn answers_to_other_questions_are_told_apart() {
        let question = asked("world.example.", RecordType::A, None);
        let end = question_end(&question).expect("whole");
        let failed = failure(&question, end);
        assert!(answers(&failed, &question, end) && is_unhelpful(&failed));
        let same = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut other = failed.clone();
            change(&mut other);
            answers(&other, &question, end)
        };
        assert!(same(&|it| it[13] = b'W'), "letters' case is not told apart");
        assert!(!same(&|it| it[0] ^= 1) && !same(&|it| it[13] = b'x') && !same(&|it| it[2] &= 0x7f));
        assert!(!same(&|it| it.truncate(13)) && !same(&|it| it[end - 3] ^= 1));
    }
}
