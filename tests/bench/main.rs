//! The benchmark: teu beside its peers, in one interleaved run, as tables that the README can take.
//!
//! Every contender is started by a small worker process, so that all pay the same for being started and a peer that
//! needs another view of the machine (Debian's crun refuses hybrid cgroups) gets one of its own.

#[path = "../support/mod.rs"]
mod support;

mod hundred;
mod interface;
mod net;
mod oci;
mod peers;
mod place;
mod pull;
mod report;
mod starts;
mod worker;

use place::Place;

/// What to measure and how often.
pub struct Plan {
    pub rounds: usize,
    /// Also what takes podman long: a hundred containers of its own.
    pub slow_peers: bool,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "worker") {
        return worker::serve();
    }
    let quick = words.iter().any(|word| word == "--quick");
    let plan = Plan { rounds: if quick { 7 } else { 25 }, slow_peers: !quick };
    let wanted: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.contains(&name);
    let place = Place::new();
    report::machine(&place);
    let engines = ["starts", "hundred", "interface"].into_iter().any(wants);
    let contenders = if engines { peers::find(&place) } else { Vec::new() };
    if engines {
        report::versions(&contenders);
    }
    if wants("starts") {
        starts::measure(&place, &contenders, &plan);
    }
    if wants("hundred") {
        hundred::measure(&place, &contenders, &plan);
    }
    if wants("net") {
        net::measure(&place, &plan);
    }
    if wants("oci") {
        oci::measure(&place, &plan);
    }
    if wants("pull") {
        pull::measure(&place, &plan);
    }
    if wants("interface") {
        interface::measure(&place, &contenders[0]);
    }
}
