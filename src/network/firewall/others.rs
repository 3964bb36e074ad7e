//! What other programs have in the firewall that keeps containers' packets: chains at the hooks where this machine passes
//! packets on. Only read: their owners' tools change them.

use super::table::{SUBSYSTEM, Verb};
use super::{Firewall, failure};
use crate::network::Result;
use crate::sys::netlink::{Message, attribute, attributes};

/// `NFPROTO_…` of the families that see packets on their way through, by nft's names.
const FAMILIES: [(u8, &str); 4] = [(1, "inet"), (2, "ip"), (7, "bridge"), (10, "ip6")];
/// `NF_INET_FORWARD`, which `NF_BR_FORWARD` equals.
const FORWARD: u32 = 2;
const DROP: u32 = 0;
/// How teu's links begin, and what rules that let them pass name.
const OWN_LINKS: &[u8] = b"teu";

/// Another program's chain through which forwarded packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignChain {
    /// As nft calls it: `ip`, `inet`, …
    pub family: &'static str,
    pub table: String,
    pub chain: String,
    /// What no rule lets pass is dropped.
    pub drops: bool,
    /// A rule of the same table names teu's links, so somebody has seen to them.
    pub knows_teu: bool,
    /// All chains of the table: they tell whose it is.
    pub siblings: Vec<String>,
}

impl Firewall {
    /// Chains of other programs at the hook for forwarded packets.
    pub fn foreign_chains(&mut self) -> Result<Vec<ForeignChain>> {
        let chains = self.dump(Verb::GetChain, "cannot list the firewall's chains")?;
        let parsed: Vec<Chain> = chains.iter().filter_map(|answer| Chain::of(answer)).collect();
        let hooked = parsed.iter().filter(|chain| chain.hook == Some(FORWARD) && chain.table != super::TABLE);
        let mut found: Vec<ForeignChain> = hooked
            .map(|chain| {
                let same = |other: &&Chain| (&other.table, other.family) == (&chain.table, chain.family);
                ForeignChain {
                    family: chain.family,
                    table: chain.table.clone(),
                    chain: chain.name.clone(),
                    drops: chain.policy == Some(DROP),
                    knows_teu: false,
                    siblings: parsed.iter().filter(same).map(|other| other.name.clone()).collect(),
                }
            })
            .collect();
        if found.is_empty() {
            return Ok(found);
        }
        for rule in self.dump(Verb::GetRule, "cannot list the firewall's rules")? {
            let Some((family, rest)) = split(&rule) else { continue };
            let names_teu = attribute(rest, 4).is_some_and(|it| it.windows(3).any(|part| part == OWN_LINKS));
            if let (true, Some(table)) = (names_teu, attribute(rest, 1).map(text)) {
                let same = |chain: &&mut ForeignChain| chain.family == family && chain.table == table;
                found.iter_mut().filter(same).for_each(|chain| chain.knows_teu = true);
            }
        }
        Ok(found)
    }

    /// Everything of a kind in the tables of all families.
    fn dump(&mut self, verb: Verb, doing: &'static str) -> Result<Vec<Vec<u8>>> {
        let wish = Message::new((SUBSYSTEM << 8) | verb as u16, 0, &[0; 4]);
        self.netlink.dump(&wish).map_err(|refusal| failure(doing, refusal))
    }
}

struct Chain {
    family: &'static str,
    table: String,
    name: String,
    hook: Option<u32>,
    policy: Option<u32>,
}

impl Chain {
    /// `NFTA_CHAIN_…`: 1 table, 3 name, 4 hook (with 1, its number), 5 policy.
    fn of(answer: &[u8]) -> Option<Self> {
        let (family, rest) = split(answer)?;
        let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
        let (mut table, mut name, mut hook, mut policy) = (None, None, None, None);
        for (kind, value) in attributes(rest) {
            match kind {
                1 => table = Some(text(value)),
                3 => name = Some(text(value)),
                4 => hook = attribute(value, 1).and_then(number),
                5 => policy = number(value),
                _ => {}
            }
        }
        Some(Self { family, table: table?, name: name?, hook, policy })
    }
}

/// An answer's family and attributes, if it is one of those that see packets on their way through.
fn split(answer: &[u8]) -> Option<(&'static str, &[u8])> {
    let (header, rest) = answer.split_at_checked(4)?;
    let (_, name) = FAMILIES.iter().find(|(number, _)| *number == header[0])?;
    Some((*name, rest))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}
